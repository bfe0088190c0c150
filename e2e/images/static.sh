#!/bin/bash
# usage: static.sh
# Builds the static release binaries on the host: the same form of cargo invocation as in the Dockerfiles.
set -euo pipefail
cd "$(dirname "$0")/../.."
. e2e/cluster/env.sh
. e2e/cluster/prerequisites.sh
need_rust
need_packages gcc libc6-dev
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$CACHE/target} RUSTFLAGS="-C target-feature=+crt-static"
cargo build --release --locked --workspace --target "$(uname -m)-unknown-linux-gnu"
