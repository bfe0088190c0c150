#!/bin/bash
# usage: static.sh [PROGRAM…]
# Builds the static release binaries on the host, all or the named ones: the same form of cargo invocation as in the Dockerfiles.
set -euo pipefail
cd "$(dirname "$0")/../.."
. e2e/cluster/env.sh
. e2e/cluster/prerequisites.sh
need_rust
need_packages gcc libc6-dev
export RUSTFLAGS="-C target-feature=+crt-static"
cargo build --release --locked --workspace --target "$(uname -m)-unknown-linux-gnu" "${@/#/--bin=}"
