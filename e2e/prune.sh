#!/bin/bash
# usage: prune.sh
# Keeps the build cache from growing for ever: what cargo has not touched for a week is removed; past 20 GB what only makes the next build of the
# same crate quicker, and then everything.
set -euo pipefail
. "$(dirname "$0")/cluster/env.sh"
TARGET=$CARGO_TARGET_DIR
[ -d "$TARGET" ] || exit 0
case $TARGET in "$CACHE"/*) ;; *) exit 0 ;; esac # a directory that the user named is the user's
find "$TARGET" \( -path '*/incremental/*' -o -path '*/deps/*' \) -type f -atime +7 -mtime +7 -delete
for more in "$TARGET"/*/incremental "$TARGET"; do
  if [ "$(du -s --block-size=1G "$TARGET" | cut -f1)" -gt 20 ]; then rm -rf "$more"; fi
done
