#!/bin/bash
# usage: rust-base.sh
# Makes the Rust build image that the Dockerfiles start FROM, without a registry: Debian by debootstrap, plus the Rust toolchain that is installed
# here (70 s, once). Its name is the ordinary one, docker.io/library/rust:VERSION-slim-bookworm, so the Dockerfiles need no change.
set -euo pipefail
. "$(dirname "$0")/env.sh"
. "$HERE/prerequisites.sh"
. "$HERE/buildah.sh"
need_rust
need_packages buildah debootstrap
cd "$HERE" # rustup chooses the toolchain by directory
VERSION=$(rustc --version | cut -d' ' -f2)
IMAGE=docker.io/library/rust:$VERSION-slim-bookworm
BASE=$STORE/base

debian() {
  [ -e "$BASE/.done" ] && return
  rm -rf "$BASE"
  debootstrap --variant=minbase --include=gcc,libc6-dev,ca-certificates bookworm "$BASE" >"$STORE/debootstrap.log"
  touch "$BASE/.done"
}

with_rust() {
  local container root sysroot
  sysroot=$(rustc --print sysroot)
  container=$(build from scratch)
  root=$(build mount "$container")
  cp -a "$BASE/." "$root/"
  mkdir -p "$root/usr/local/rust"
  cp -a "$sysroot/bin" "$sysroot/lib" "$root/usr/local/rust/"
  rm -rf "$root/usr/local/rust/lib/rustlib/src"
  build umount "$container" >/dev/null
  build config --env PATH=/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  build commit -q --rm "$container" "$IMAGE" >/dev/null
}

mkdir -p "$STORE"
build images -q "$IMAGE" >/dev/null 2>&1 && exit 0
echo "making $IMAGE"
debian
with_rust
