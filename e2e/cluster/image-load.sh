#!/bin/bash
# usage: image-load.sh ARCHIVE…
# Loads image archives (docker or OCI) into the local cluster's containerd. Pods use them with imagePullPolicy IfNotPresent or Never.
set -euo pipefail
. "$(dirname "$0")/env.sh"
. "$HERE/prerequisites.sh"
need_root
node_answers || missing "a running local cluster" "run 'make cluster-up'"
for archive; do containerd_ctr images import --local "$archive" >/dev/null; done
