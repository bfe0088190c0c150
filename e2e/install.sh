#!/bin/bash
# usage: install.sh
# Installs CRDs and operator as config/default says, with the images of OPERATOR_IMAGE and RELAY_IMAGE, and waits until the operator runs.
# On the local cluster the host's address is allowed to reach relays.
set -euo pipefail
cd "$(dirname "$0")/.."
. e2e/cluster/env.sh
OVERLAY=$CLUSTER_DIR/overlay
NAMESPACE=nostr-fleet-system
OPERATOR=nostr-fleet-operator

variable() { # name, value: one entry of the container's environment
  printf '          - {name: %s, value: "%s"}\n' "$1" "$2"
}

overlay() { # the one place where an installation differs from config/default
  cat <<YAML
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [$(realpath --relative-to="$OVERLAY" config/default)]
patches:
- patch: |
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: $OPERATOR, namespace: $NAMESPACE}
    spec:
      template:
        spec:
          containers:
          - name: operator
            image: $OPERATOR_IMAGE
            env:
  $(variable RELAY_IMAGE "$RELAY_IMAGE")
  $([ -z "${E2E_LOCAL:-}" ] || variable INGRESS_FROM "$HOST_IP/32")
YAML
}

export KUBECONFIG=$E2E_KUBECONFIG
mkdir -p "$OVERLAY"
overlay >"$OVERLAY/kustomization.yaml"
kubectl apply -k "$OVERLAY" >/dev/null
kubectl -n "$NAMESPACE" rollout status "deployment/$OPERATOR" --timeout=120s
