#!/bin/bash
# usage: restart-apiserver.sh
# SIGKILL to the local cluster's API server, and a new one on the same etcd: what a control plane's node does when it dies. Open connections to pods go on.
set -euo pipefail
. "$(dirname "$0")/env.sh"
. "$HERE/prerequisites.sh"
. "$HERE/process.sh"
. "$HERE/control_plane.sh"
without_proxy
need_root
export KUBECONFIG=$ADMIN
runs kube-apiserver || missing "a running API server" "run 'make cluster-up'"
pid=$(cat "$RUN/kube-apiserver.pid")
kill -9 "$pid"
# Gone, or a zombie: before that its port may still be taken.
while grep -qs '^State:[[:space:]]*[^Z]' "/proc/$pid/status"; do sleep 0.02; done
start_apiserver
