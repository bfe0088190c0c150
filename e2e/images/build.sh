#!/bin/bash
# usage: build.sh
# Builds Dockerfile.relay and Dockerfile.operator as localhost/nostr-fleet-…:dev and loads them into the local cluster, at once or when it starts: with docker where
# its daemon answers, else with buildah and a Rust image made here, without a registry. The build reaches crates as the host does.
set -euo pipefail
cd "$(dirname "$0")/../.."
. e2e/cluster/env.sh
. e2e/cluster/prerequisites.sh
. e2e/cluster/buildah.sh
. e2e/images/names.sh

with_docker() { # program, archive
  docker build --quiet -t "$REPOSITORY-$1:dev" -f "Dockerfile.$1" . >/dev/null
  docker save -o "$2" "$REPOSITORY-$1:dev"
}

with_buildah() { # program, archive
  local mounts=(-v /etc/ssl/certs:/etc/ssl/certs:ro) # the host's CA set, for hosts with a private CA
  local config=${CARGO_HOME:-$HOME/.cargo}/config.toml
  [ ! -f "$config" ] || mounts+=(-v "$config:/usr/local/cargo/config.toml:ro")
  build bud --quiet --isolation chroot --pull=never "${mounts[@]}" --build-arg "RUST_VERSION=$(rustc --version | cut -d' ' -f2)" \
    -t "$REPOSITORY-$1:dev" -f "Dockerfile.$1" . >/dev/null
  rm -f "$2"
  build push --quiet "$REPOSITORY-$1:dev" "docker-archive:$2:$REPOSITORY-$1:dev"
}

if docker info >/dev/null 2>&1; then
  tool=docker
else
  tool=buildah
  need_root
  e2e/cluster/rust-base.sh
fi
mkdir -p "$IMAGES" # imported at every start of the cluster
for program in $PROGRAMS; do
  began=$SECONDS
  archive=$IMAGES/$program-dev.tar
  with_$tool "$program" "$archive"
  echo "built $REPOSITORY-$program:dev with $tool in $((SECONDS - began)) s, $(du -h "$archive" | cut -f1)"
  if node_answers; then e2e/cluster/image-load.sh "$archive"; fi
done
[ $tool = docker ] || build rmi --prune >/dev/null 2>&1 || true # what the new ones replaced
