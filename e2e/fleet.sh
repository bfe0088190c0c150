# shellcheck shell=bash
# A cluster and images to work with. Sourced by the demo and the suites, from the root of the tree. Afterwards E2E_KUBECONFIG, RELAY_IMAGE and
# OPERATOR_IMAGE are set; E2E_LOCAL says that the cluster is the local one, so that the host has routes to pods and policies are enforced.

. e2e/cluster/env.sh
. e2e/cluster/prerequisites.sh
. e2e/images/names.sh

# Tests run in their crate's directory: what the caller named must be found from there too.
absolute() { # name of a variable that may hold a path
  local path=${!1:-}
  [ -z "$path" ] || export "$1=$(realpath "$path")"
}

absolute EVENTS
absolute E2E_KUBECONFIG

cluster_and_images() {
  need_rust # asked for before the minutes that the cluster's binaries take
  e2e/cluster/ensure.sh
  [ -z "${E2E_KUBECONFIG:-}" ] || return 0
  e2e/images/pack.sh >/dev/null
  # shellcheck disable=SC1091  # written by pack.sh
  . "$PACKED/names.env"
  export E2E_KUBECONFIG=$ADMIN E2E_LOCAL=1 RELAY_IMAGE OPERATOR_IMAGE PROBE_IMAGE
}
