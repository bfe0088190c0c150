#!/bin/bash
# usage: ensure.sh
# A cluster to work with: the one of E2E_KUBECONFIG if that is set, of which nothing is built here; else the local one, built and started as far as it
# is not there yet.
set -euo pipefail
. "$(dirname "$0")/env.sh"
. "$HERE/prerequisites.sh"
if [ -n "${E2E_KUBECONFIG:-}" ]; then
  { [ -n "${RELAY_IMAGE:-}" ] && [ -n "${OPERATOR_IMAGE:-}" ]; } ||
    missing "RELAY_IMAGE and OPERATOR_IMAGE" "push the images of 'make images' where the cluster of E2E_KUBECONFIG pulls from, and name them"
  command -v kubectl >/dev/null || missing kubectl "install it, or run $HERE/bins.sh which builds one"
  kubectl --kubeconfig "$E2E_KUBECONFIG" version >/dev/null || missing "an answer from the cluster of $E2E_KUBECONFIG" "see above what kubectl says"
  exit 0
fi
need_root
"$HERE/bins.sh"
"$HERE/up.sh"
