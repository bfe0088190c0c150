#!/bin/bash
# usage: down.sh [--purge]
# Stops what up.sh started, by pid file; --purge also deletes all cluster state. Keys, kubeconfigs and binaries stay.
set -uo pipefail # no -e: whatever is gone already must not keep the rest alive
. "$(dirname "$0")/env.sh"
. "$HERE/prerequisites.sh"
. "$HERE/process.sh"
. "$HERE/network.sh"
. "$HERE/control_plane.sh"
. "$HERE/node.sh"
without_proxy
need_root
node_down
control_plane_down
network_down
if [ "${1:-}" = --purge ]; then
  rm -rf "$DATA" "$LOG" "$RUN"
  echo "the cluster's state is deleted"
fi
exit 0
