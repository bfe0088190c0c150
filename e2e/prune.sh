#!/bin/bash
# usage: prune.sh
# Keeps the build cache from growing for ever: what cargo has not touched for a week is removed; past 20 GB what only makes the next build of the
# same crate quicker, and then everything.
set -euo pipefail
. "$(dirname "$0")/cluster/env.sh"
TARGET=$CARGO_TARGET_DIR
[ -d "$TARGET" ] || exit 0
case $TARGET in "$CACHE"/*) ;; *) exit 0 ;; esac # a directory that the user named is the user's
exec 8>>"$TARGET/checkout.lock"
flock -n 8 || exit 0 # somebody builds in it
find "$TARGET" \( -path '*/incremental/*' -o -path '*/deps/*' \) -type f -atime +7 -mtime +7 -delete
too_large() { [ "$(du -s --block-size=1G "$TARGET" | cut -f1)" -gt 20 ]; }
if too_large; then rm -rf "$TARGET"/*/incremental; fi
if too_large; then find "$TARGET" -mindepth 1 -maxdepth 1 ! -name checkout.lock -exec rm -rf {} +; fi
