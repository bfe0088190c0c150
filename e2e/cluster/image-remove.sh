#!/bin/bash
# usage: image-remove.sh REPOSITORY KEEP
# Removes the images of REPOSITORY from the local cluster whose tags begin with "host-", except KEEP: each build has a tag of its own, and they add up.
set -euo pipefail
. "$(dirname "$0")/env.sh"
old_ones() { containerd_ctr images ls -q | awk -v all="$1:host-" -v keep="$2" 'index($0, all) == 1 && $0 != keep'; }

old_ones "$1" "$2" | while read -r old; do containerd_ctr images rm "$old" >/dev/null; done
