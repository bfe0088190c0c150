#!/bin/bash
# usage: test.sh [pods]
# All tests, or only those with real pods. First the workspace's own tests: among them the operator's suite, which runs its controllers itself against
# the real API server, so that the installed operator stands aside meanwhile. Then the operator is installed and the pod suite runs.
set -euo pipefail
cd "$(dirname "$0")/.."
. e2e/fleet.sh
. e2e/operator.sh
need_rust
need_packages gcc libc6-dev libfaketime # a clock that jumps, for the operator's suite
{ command -v node && command -v npm; } >/dev/null || need_packages nodejs npm
export INSTA_UPDATE=no
FEATURES=(--features nostr-fleet-e2e/pods)

say() { echo "--- $*"; }

# One build for both runs: the feature changes nothing but which tests the e2e crate has.
build_tests() { cargo test --quiet --locked --workspace "${FEATURES[@]}" --no-run; }

workspace_tests() { cargo test --locked --workspace --no-fail-fast; }

pod_tests() { cargo test --locked --workspace "${FEATURES[@]}" --no-fail-fast --test pods -- --test-threads="${POD_TEST_THREADS:-4}"; }

# Figures, and outages that the others would feel.
tests_alone() { cargo test --locked --workspace "${FEATURES[@]}" --no-fail-fast --test alone -- --test-threads=1; }

# Held against what all of the above made the operator ask.
replay() { cargo test --locked --workspace "${FEATURES[@]}" --no-fail-fast --test replay; }

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
FIGURES=$(mktemp)
export FIGURES
trap 'rm -f "$OUTPUT" "$FIGURES"' EXIT
failed=0
if [ "${1:-}" != pods ]; then
  operator_aside # installed anew below
  say "workspace tests"
  workspace_tests 2>&1 | tee -a "$OUTPUT" || failed=1
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
