#!/bin/bash
# usage: pack.sh
# Builds the static release binaries on the host, packs each into an image of its own without a container build, and loads them into the local
# cluster. Prints RELAY_IMAGE=…, OPERATOR_IMAGE=… and PROBE_IMAGE=…, and keeps them in $PACKED/names.env.
set -euo pipefail
cd "$(dirname "$0")/../.."
. e2e/cluster/env.sh
. e2e/cluster/prerequisites.sh
. e2e/images/names.sh
need_packages python3

pack() { # program: prints the image's name
  local binary=$STATIC/$1 root name
  name=$REPOSITORY-$1:host-$(sha256sum "$binary" | cut -c1-12)
  root=$(mktemp -d)
  cp "$binary" "$root/$1"
  chmod 755 "$root" "$root/$1"
  python3 e2e/cluster/pack_image.py "$name" "$root" "$PACKED/$1.tar" --entrypoint "[\"/$1\"]" --user 65532:65532
  rm -r "$root"
  echo "$name"
}

e2e/images/static.sh
mkdir -p "$PACKED"
names=$(mktemp)
for program in $PACKED_PROGRAMS; do
  image=$(pack "$program")
  e2e/cluster/image-load.sh "$PACKED/$program.tar"
  e2e/cluster/image-remove.sh "$REPOSITORY-$program" "$image"
  echo "${program^^}_IMAGE=$image" | tee -a "$names"
done
mv "$names" "$PACKED/names.env"
