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

arguments() { # as config/manager has them, with our image and, locally, the host's address
  local list="run, --image=$RELAY_IMAGE, --log-format=json"
  [ -z "${E2E_LOCAL:-}" ] || list="$list, --ingress-from=$HOST_IP/32"
  echo "[$list]"
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
            args: $(arguments)
YAML
}

export KUBECONFIG=$E2E_KUBECONFIG
mkdir -p "$OVERLAY"
overlay >"$OVERLAY/kustomization.yaml"
kubectl apply -k "$OVERLAY" >/dev/null
kubectl -n "$NAMESPACE" rollout status "deployment/$OPERATOR" --timeout=120s
