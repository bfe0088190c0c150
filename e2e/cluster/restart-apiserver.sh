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
kill -9 "$(cat "$RUN/kube-apiserver.pid")"
while runs kube-apiserver; do sleep 0.05; done
start_apiserver
