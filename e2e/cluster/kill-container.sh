#!/bin/bash
# usage: kill-container.sh NAMESPACE POD
# SIGKILL to the container of a pod of the local cluster, as the OOM killer would: no goodbye, no clean close. The kubelet starts it again in the same pod.
# (kubectl cannot: even a forced delete gives the process two seconds after SIGTERM.)
set -euo pipefail
. "$(dirname "$0")/env.sh"
. "$HERE/prerequisites.sh"
need_root
without_proxy
id=$(kubectl --kubeconfig "$ADMIN" -n "$1" get pod "$2" -o jsonpath='{.status.containerStatuses[0].containerID}')
[ -n "$id" ] || missing "a running container in pod $2" "wait until it is ready"
containerd_ctr tasks kill --signal SIGKILL "${id#containerd://}"
