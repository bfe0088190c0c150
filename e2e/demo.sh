#!/bin/bash
# usage: demo.sh
# From nothing to a relay on Kubernetes: cluster, images, operator, a relay with TLS by a CA made here; 1,500 events in over WebSocket and out again; the pod
# is killed and everything is still there; the list of who may write is rotated under an open connection, then broken. EVENTS=FILE imports that file,
# otherwise signed events are made. Leaves the cluster up.
set -euo pipefail
cd "$(dirname "$0")/.."
. e2e/fleet.sh
. e2e/demo/relay.sh
. e2e/demo/events.sh
. e2e/demo/lists.sh
need_packages python3 # judges what was read back
NAMESPACE=nostr-demo
NAME=town
COUNT=1500
AUTHORITY=$CACHE/demo
CA=$AUTHORITY/ca.crt
WORK=$(mktemp -d)
FORWARD=""
AUTHORS=""

finish() {
  [ -z "$AUTHORS" ] || kill "$AUTHORS" 2>/dev/null || true
  [ -z "$FORWARD" ] || kill "$FORWARD" 2>/dev/null || true
  rm -rf "$WORK"
}
trap finish EXIT

step() { printf '\n[%3d s] %s\n' "$SECONDS" "$*"; }
k() { kubectl --namespace "$NAMESPACE" "$@"; }
indent() { sed 's/^/        /'; }

seconds_since() { # nanoseconds at the start
  local ms=$((($(date +%s%N) - $1) / 1000000))
  printf '%d.%03d s' $((ms / 1000)) $((ms % 1000))
}

if [ -n "${E2E_KUBECONFIG:-}" ]; then
  step "the cluster of E2E_KUBECONFIG"
else
  step "a cluster and images (the first time this builds Kubernetes and the two programs: about 20 minutes)"
fi
cluster_and_images
export KUBECONFIG=$E2E_KUBECONFIG
without_proxy
[ -n "${E2E_LOCAL:-}" ] || e2e/images/static.sh relay probe # the relay's own tools import and export, and the two authors

step "CRDs and operator: helm install nostr-fleet charts/nostr-fleet"
e2e/install.sh | indent

step "kubectl apply -f e2e/demo/town.yaml, in namespace $NAMESPACE: a relay whose TLS Secret is not there yet"
fresh_namespace
k apply -f e2e/demo/town.yaml | indent
await_condition ConfigurationValid=False
why ConfigurationValid | indent

step "a CA, a certificate of it, and kubectl apply of the Secret"
e2e/certificate.sh "$AUTHORITY" "$NAME.$NAMESPACE.svc" localhost 127.0.0.1 "$(host)"
began=$(date +%s%N)
k create secret tls town-tls --cert="$AUTHORITY/tls.crt" --key="$AUTHORITY/tls.key" --dry-run=client -o yaml | k apply -f - | indent
await_condition Ready
ready_time=$(seconds_since "$began")
k get nrelay "$NAME" | indent

step "events in, over wss://"
EVENTS_FILE=$(make_events)
forward
URL=$(relay_url)
await_relay
began=$(date +%s%N)
import_events
import_time=$(seconds_since "$began")

step "events out again, compared byte for byte"
read_back "$WORK/stored"
compare_with_source
offered=$(wc -l <"$EVENTS_FILE")
stored=$(wc -l <"$WORK/stored")
echo "$stored of $offered events are stored, byte for byte: all that a relay keeps (the rest were replaced by newer versions, or expired)" | indent

step "killing the relay in its pod with SIGKILL"
began=$(date +%s%N)
kill_the_pod
await_condition Ready
back_time=$(seconds_since "$began")
forward
await_relay
read_back "$WORK/after"
cmp "$WORK/stored" "$WORK/after"
echo "it serves the same $stored events" | indent

step "a resident and a guest publish over one open connection; only those listed in ConfigMap residents may write from now on: both"
authors_publish
await_verdict guest OK 0 >/dev/null
residents resident guest >"$WORK/residents.yaml"
k apply -f "$WORK/residents.yaml" -f e2e/demo/town-for-residents.yaml | indent
await_list 2
k get nrelay "$NAME" | indent

step "the guest is taken out of the list: kubectl apply -f residents.yaml"
residents resident >"$WORK/residents.yaml"
began=$(date +%s%N)
k apply -f "$WORK/residents.yaml" | indent
refused_time=$(await_verdict guest restricted: "$began")
echo "after $refused_time the guest hears: $(last_verdict guest)" | indent
echo "the connection is open, and the resident hears: $(last_verdict resident)" | indent
await_list 1
list="$(allowlist entries) entry, hash $(allowlist hash | cut -c1-12)…, applied $(allowlist applied)"
k get nrelay "$NAME" | indent
echo "$list" | indent

step "a broken list: nothing opens and nothing closes"
echo "    npub1thisisnokey  # a slip" >>"$WORK/residents.yaml"
k apply -f "$WORK/residents.yaml" | indent
await_condition ConfigurationValid=False
same_verdicts_for 3
why ConfigurationValid | indent
echo "the resident still hears: $(last_verdict resident); the guest: $(last_verdict guest)" | indent

step "the list is mended, and the guest is back in it"
residents resident guest >"$WORK/residents.yaml"
began=$(date +%s%N)
k apply -f "$WORK/residents.yaml" | indent
admitted_time=$(await_verdict guest OK "$began")
await_condition ConfigurationValid
echo "after $admitted_time the guest hears: $(last_verdict guest), still on the same connection" | indent

cat <<TEXT

Done in $SECONDS s. The cluster stays up.
  TLS Secret -> Ready         $ready_time
  import of $offered events       $import_time over wss://, each OK after its commit
  stored, and after the kill  $stored = $(wc -l <"$WORK/after"), equal byte for byte
  killed -> Ready again       $back_time
  kubectl apply of a list ->  refused after $refused_time, admitted again after $admitted_time, on one open connection

Look further:
  export KUBECONFIG=$KUBECONFIG${E2E_LOCAL:+ PATH=$BIN:\$PATH}
  kubectl -n $NAMESPACE get nrelay $NAME -o wide
  kubectl -n $NAMESPACE describe nrelay $NAME              # conditions, allowlist, events
  kubectl -n $NAMESPACE edit configmap residents         # rotate it by hand; docs/allowlists.md says how by Git
  kubectl -n $NAMESPACE logs $NAME-0
  kubectl -n $OPERATOR_NAMESPACE logs deploy/$OPERATOR
  helm -n $OPERATOR_NAMESPACE test nostr-fleet
  $RELAY_BINARY health $URL --ca $CA
TEXT
[ -z "${E2E_LOCAL:-}" ] || echo "  make cluster-down             # stops it; PURGE=1 also forgets it"
