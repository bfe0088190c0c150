#!/bin/bash
# usage: test.sh [pods]
# All tests, or only those with real pods. First what needs no cluster, and beside it the operator's suite, which runs its controllers itself against
# the real API server, so that the installed operator stands aside meanwhile. Then the operator is installed and the pod suites run.
set -euo pipefail
cd "$(dirname "$0")/.."
. e2e/fleet.sh
. e2e/operator.sh
need_rust
need_packages gcc libc6-dev libfaketime # a clock that jumps, for the operator's suite
{ command -v node && command -v npm; } >/dev/null || need_packages nodejs npm
export INSTA_UPDATE=no

say() { echo "--- $*"; }

suite() { cargo test --locked --workspace --no-fail-fast "$@"; }

# What plain `cargo test` runs, and the suites that need a cluster and run when they are named.
build_tests() { cargo test --quiet --locked --workspace --no-run && cargo test --quiet --locked --workspace --test '*' --no-run; }

# Many at a time: they mostly wait for the API server, or for a request that nobody answers.
api_server_tests() { suite --test api_server -- --test-threads="${API_TEST_THREADS:-6}"; }

# Who is served how quickly under attack: nothing runs beside it.
attack_tests() { suite --test http_slowloris; }

pod_tests() { suite --test pods -- --test-threads="${POD_TEST_THREADS:-4}"; }

# Figures, and outages that the others would feel.
tests_alone() { suite --test alone -- --test-threads=1; }

# Held against what all of the above made the operator ask.
replay() { suite --test replay; }

# The test runner's own lines, without the crates that have no tests.
summary() {
  grep -E '^test .* FAILED$|left out: ' "$OUTPUT" | sort -u || true
  grep -E '^ +(Running|Doc-tests)|^test result' "$OUTPUT" | awk '/^test result/ {if (!/ 0 passed; 0 failed/) {print name; print} next} {name = $0}'
}

say "cluster and images"
cluster_and_images
e2e/cluster/bins.sh helm # helm and kubeconform, on a foreign cluster too
say "building the tests"
build_tests
(cd e2e/nostr-tools && npm ci --silent --omit=optional --no-fund --no-audit)
without_proxy
OUTPUT=$(mktemp)
BESIDE=$(mktemp)
FIGURES=$(mktemp)
export FIGURES
trap 'jobs -p | xargs -r -I{} kill -- -{}; rm -f "$OUTPUT" "$BESIDE" "$FIGURES"' EXIT
failed=0
if [ "${1:-}" != pods ]; then
  say "workspace tests, and beside them the operator against the API server"
  operator_aside # installed anew below
  set -m # a process group of its own, for the trap
  api_server_tests >"$BESIDE" 2>&1 &
  set +m
  suite 2>&1 | tee -a "$OUTPUT" || failed=1
  wait $! || failed=1
  tee -a "$OUTPUT" <"$BESIDE"
  say "attacks"
  attack_tests 2>&1 | tee -a "$OUTPUT" || failed=1
fi
say "installing the operator"
e2e/install.sh
say "helm test"
helm --kubeconfig "$E2E_KUBECONFIG" -n "$OPERATOR_NAMESPACE" test nostr-fleet --logs || failed=1
say "pod tests"
pod_tests 2>&1 | tee -a "$OUTPUT" || failed=1
say "tests that need the cluster to themselves"
tests_alone 2>&1 | tee -a "$OUTPUT" || failed=1
say "the operator's requests against its roles"
replay 2>&1 | tee -a "$OUTPUT" || failed=1
say "figures"
cat "$FIGURES"
say "in short, in $((SECONDS / 60)) min $((SECONDS % 60)) s"
summary
exit $failed
