{{/* What the operator may do. config/rbac/role.yaml says why, rule by rule; a test compares them. */}}

{{/* In each namespace that it works in. */}}
{{- define "nostr-fleet.rules" -}}
- apiGroups: [nostrfleet.io]
  resources: [nostrrelays]
  verbs: [get, list, watch]
- apiGroups: [nostrfleet.io]
  resources: [nostrrelays/status]
  verbs: [patch]
- apiGroups: [nostrfleet.io]
  resources: [nostrrelays/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [configmaps, services, serviceaccounts]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, patch]
- apiGroups: [""]
  resources: [events]
  verbs: [list]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* Of what belongs to no namespace. */}}
{{- define "nostr-fleet.clusterRules" -}}
- apiGroups: [storage.k8s.io]
  resources: [storageclasses]
  verbs: [get]
{{- end -}}
