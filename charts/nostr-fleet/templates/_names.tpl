{{/* Names, labels and images. */}}

{{/* What all names begin with: the release, and the chart where the release's name does not say it. */}}
{{- define "nostr-fleet.base" -}}
{{- $chart := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 35 | trimSuffix "-" -}}
{{- else if contains $chart .Release.Name -}}
{{- .Release.Name | trunc 35 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $chart | trunc 35 | trimSuffix "-" -}}
{{- end -}}
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
