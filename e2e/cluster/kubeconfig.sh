#!/bin/bash
# usage: kubeconfig.sh
# Prints the kubeconfig of the cluster that suites run on: E2E_KUBECONFIG if that is set, else the local cluster's. The Rust suites ask here too.
set -euo pipefail
. "$(dirname "$0")/env.sh"
echo "${E2E_KUBECONFIG:-$ADMIN}"
