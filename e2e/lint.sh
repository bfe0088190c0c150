#!/bin/bash
# usage: lint.sh
# Everything that can be judged without running the programs.
set -euo pipefail
cd "$(dirname "$0")/.."
. e2e/cluster/env.sh
. e2e/cluster/prerequisites.sh
need_rust
need_packages gcc libc6-dev shellcheck lua5.1

step() { echo "--- $1"; }

generated_files() {
  e2e/crds.sh
  local dirs=(crds config/crd charts/nostr-fleet/files)
  [ -z "$(git ls-files --others --exclude-standard -- "${dirs[@]}")" ] || { echo "crds/ has a definition that git does not know: git add it" >&2; return 1; }
  git diff --exit-code --stat -- "${dirs[@]}" || { echo "crds/ is not what the Rust types say: commit what 'make crds' wrote just now" >&2; return 1; }
}

licences_and_sources() {
  if ! command -v cargo-deny >/dev/null; then
    echo "installing cargo-deny (a few minutes, once)"
    CARGO_TARGET_DIR=$CACHE/tools cargo install --quiet --debug --locked cargo-deny@0.20.2 # unoptimised: it runs for a second
  fi
  cargo deny --all-features check bans licenses sources
}

chart() { # what it renders is judged by e2e/tests/chart
  e2e/cluster/bins.sh helm >/dev/null
  helm lint --strict --quiet charts/nostr-fleet
}

argocd_health() { # Argo CD runs Lua 5.1
  (cd config/argocd && lua5.1 health_test.lua)
}

step "format"
cargo fmt --all --check
step "clippy"
cargo clippy --locked --workspace --all-targets -- -D warnings
cargo clippy --locked --workspace --test '*' -- -D warnings # those of a cluster too, which have to be named
step "generated files"
generated_files
step "licences and sources"
licences_and_sources
step "chart"
chart
step "Argo CD health"
argocd_health
step "shell"
git ls-files | grep -E '\.sh$|^\.ci/run$' | xargs shellcheck
echo "lint is clean"
