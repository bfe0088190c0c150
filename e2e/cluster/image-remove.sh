#!/bin/bash
# usage: image-remove.sh REPOSITORY KEEP
# Removes the images of REPOSITORY from the local cluster whose tags begin with "host-", except KEEP: each build has a tag of its own, and they add up.
set -euo pipefail
. "$(dirname "$0")/env.sh"
containerd_ctr images ls -q | grep "^$1:host-" | grep -vFx "$2" | while read -r old; do containerd_ctr images rm "$old" >/dev/null; done
exit 0
