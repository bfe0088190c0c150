#!/bin/bash
# usage: crds.sh
# Writes crds/ from the Rust types, and the copies that kustomize and the chart read.
set -euo pipefail
cd "$(dirname "$0")/.."
. e2e/cluster/env.sh
. e2e/cluster/prerequisites.sh
need_rust
cargo build --locked --quiet --workspace --bins
"$CARGO_TARGET_DIR/debug/operator" crds --write crds
cp crds/*.yaml config/crd/
cp crds/*.yaml charts/nostr-fleet/files/crds/
