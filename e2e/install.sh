#!/bin/bash
# usage: install.sh [FLAG OF HELM…]
# Installs the chart, with the images of OPERATOR_IMAGE and RELAY_IMAGE, and waits until the operator runs.
# On the local cluster the host's address is allowed to reach relays.
set -euo pipefail
cd "$(dirname "$0")/.."
. e2e/cluster/env.sh

image_values() { # where in the values, image
  case ${2##*/} in
    *@*) echo "--set=$1.repository=${2%@*}" "--set=$1.digest=${2#*@}" ;;
    *:*) echo "--set=$1.repository=${2%:*}" "--set-string=$1.tag=${2##*:}" ;;
    *) echo "--set=$1.repository=$2" "--set=$1.tag=latest" ;;
  esac
}

local_values() { [ -z "${E2E_LOCAL:-}" ] || echo "--set=ingressFrom={$HOST_IP/32}"; }

# What somebody installed with kustomize is taken over, except for a Deployment whose selector is another one: it cannot be changed.
make_room() {
  local selector='{.spec.selector.matchLabels.app\.kubernetes\.io/instance}'
  [ -n "$(kubectl -n "$OPERATOR_NAMESPACE" get deployment "$OPERATOR" --ignore-not-found -o jsonpath="$selector")" ] ||
    kubectl -n "$OPERATOR_NAMESPACE" delete deployment "$OPERATOR" --ignore-not-found
}

export KUBECONFIG=$E2E_KUBECONFIG
e2e/cluster/bins.sh helm >/dev/null
kubectl apply -f config/manager/namespace.yaml >/dev/null
make_room
# shellcheck disable=SC2046  # several words each
helm upgrade nostr-fleet charts/nostr-fleet --install --namespace "$OPERATOR_NAMESPACE" --take-ownership --server-side=true --force-conflicts \
  $(image_values image "$OPERATOR_IMAGE") $(image_values relay.image "$RELAY_IMAGE") $(local_values) "$@" --wait --timeout 2m >/dev/null
helm list --namespace "$OPERATOR_NAMESPACE"
