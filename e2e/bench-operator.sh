#!/bin/bash
# usage: bench-operator.sh [RESOURCES]
# Figures of the operator on the real API server of the local cluster, with RESOURCES (default 300) stopped relays: cold start, writes at rest, change to
# applied, memory, CPU time. The operator is the static release binary, a process of its own beside the cluster. The installed operator stands aside.
set -euo pipefail
cd "$(dirname "$0")/.."
. e2e/fleet.sh
. e2e/operator.sh
need_rust
need_packages gcc libc6-dev
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$CACHE/target}
e2e/cluster/ensure.sh
without_proxy
export E2E_KUBECONFIG=${E2E_KUBECONFIG:-$ADMIN}
installed=$(operator_replicas)
[ -z "$installed" ] || trap 'scale_operator "$installed"' EXIT
operator_aside
e2e/images/static.sh operator
export OPERATOR_BINARY=$STATIC/operator
FLEET=${1:-300} cargo test --quiet --locked --workspace --test api_server -- --ignored --nocapture figures
