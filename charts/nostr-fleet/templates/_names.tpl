{{/* Names, labels and images. */}}

{{/* What all names begin with: the release, and the chart where the release's name does not say it. Names of Services and relays begin with a letter. */}}
{{- define "nostr-fleet.base" -}}
{{- $chart := default .Chart.Name .Values.nameOverride -}}
{{- $base := printf "%s-%s" .Release.Name $chart -}}
{{- if .Values.fullnameOverride -}}
{{- $base = .Values.fullnameOverride -}}
{{- else if contains $chart .Release.Name -}}
{{- $base = .Release.Name -}}
{{- end -}}
{{- if not (regexMatch "^[a-z]" $base) -}}
{{- fail (printf "%s does not begin with a letter, as names of Services and relays must: choose another name for the release, or set fullnameOverride" $base) -}}
{{- end -}}
{{- $base | trunc 35 | trimSuffix "-" -}}
{{- end -}}

{{- define "nostr-fleet.operator" -}}
{{- include "nostr-fleet.base" . -}}-operator
{{- end -}}

{{- define "nostr-fleet.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "nostr-fleet.operator" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The operator's pods. Immutable in a Deployment: never a version here. */}}
{{- define "nostr-fleet.selector" -}}
app.kubernetes.io/name: nostr-fleet-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "nostr-fleet.labels" -}}
{{ include "nostr-fleet.selector" . }}
app.kubernetes.io/part-of: nostr-fleet
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* repository, tag, digest → image */}}
{{- define "nostr-fleet.image" -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag }}
{{- end -}}
{{- end -}}
