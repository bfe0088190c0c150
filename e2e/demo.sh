#!/bin/bash
# usage: demo.sh
# From nothing to a relay on Kubernetes: cluster, images, operator, config/samples/nostrrelay.yaml; 1,500 events in over WebSocket and out again;
# the pod is killed; everything is still there. EVENTS=FILE imports that file, otherwise signed events are made. Leaves the cluster up.
set -euo pipefail
cd "$(dirname "$0")/.."
. e2e/fleet.sh
RELAY_BINARY=${CARGO_TARGET_DIR:-$CACHE/target}/$(uname -m)-unknown-linux-gnu/release/relay
NAME=town
COUNT=1500
WORK=$(mktemp -d)
FORWARD=""
trap 'rm -rf "$WORK"; [ -z "$FORWARD" ] || kill "$FORWARD"' EXIT

step() { printf '\n[%3d s] %s\n' "$SECONDS" "$*"; }
indent() { sed 's/^/        /'; }

make_events() { # prints the file's name
  if [ -n "${EVENTS:-}" ]; then
    [ -r "$EVENTS" ] || missing "the file EVENTS=$EVENTS" "name a file of events, one JSON object a line, or leave EVENTS out"
    echo "$EVENTS"
  else
    "$RELAY_BINARY" bench events --count "$COUNT" >"$WORK/made.jsonl"
    echo "$WORK/made.jsonl"
  fi
}

relay_url() { # how this host reaches the relay; without a route to the Service: through the API server
  if [ -n "${E2E_LOCAL:-}" ]; then
    echo "ws://$(kubectl get service "$NAME" -o jsonpath='{.spec.clusterIP}'):8080"
  else
    echo "ws://127.0.0.1:18080"
  fi
}

forward() { # again after each kill: forwarding ends with the pod
  [ -z "${E2E_LOCAL:-}" ] || return 0
  [ -z "$FORWARD" ] || kill "$FORWARD" 2>/dev/null || true
  kubectl port-forward "pod/$NAME-0" 18080:8080 >/dev/null &
  FORWARD=$!
  sleep 2
}

wait_until_ready() { kubectl wait --for=condition=Ready "nrelay/$NAME" --timeout=180s >/dev/null; }

import_events() { # exit code 3: some lines were refused, and the report says why (real events expire, or are replaced)
  "$RELAY_BINARY" import "$EVENTS_FILE" --to "$URL" || [ $? = 3 ]
}

read_back() { # file: every stored event, one a line, in a fixed order
  "$RELAY_BINARY" export "$URL" --output "$1.unsorted"
  sort "$1.unsorted" >"$1"
}

# Every stored line must be, byte for byte, a line of the file; what is not stored was refused, and import said why.
compare_with_source() {
  sort "$EVENTS_FILE" >"$WORK/source"
  comm -23 "$WORK/stored" "$WORK/source" >"$WORK/foreign"
  if [ -s "$WORK/foreign" ]; then
    echo "stored, but not byte for byte as imported:" >&2
    head -3 "$WORK/foreign" >&2
    exit 1
  fi
}

kill_the_pod() {
  local uid
  uid=$(kubectl get pod "$NAME-0" -o jsonpath='{.metadata.uid}')
  kubectl delete pod "$NAME-0" --grace-period=0 --force >/dev/null 2>&1
  until [ "$(kubectl get pod "$NAME-0" -o jsonpath='{.metadata.uid}' 2>/dev/null || true)" != "$uid" ]; do sleep 0.2; done
  kubectl wait --for=condition=Ready "pod/$NAME-0" --timeout=180s >/dev/null 2>&1 || { sleep 2; kubectl wait --for=condition=Ready "pod/$NAME-0" --timeout=180s >/dev/null; }
}

step "a cluster and images (the first time this builds Kubernetes and the two programs: about 20 minutes)"
cluster_and_images
export KUBECONFIG=$E2E_KUBECONFIG
without_proxy
[ -x "$RELAY_BINARY" ] || missing "the relay's binary, which imports the events" "run e2e/images/pack.sh, or cargo build --release"

step "CRDs and operator: kubectl apply -k config/default"
e2e/install.sh | indent

step "kubectl apply -f config/samples/nostrrelay.yaml"
began=$(date +%s%N)
kubectl apply -f config/samples/nostrrelay.yaml | indent
wait_until_ready
ready_ms=$((($(date +%s%N) - began) / 1000000))
kubectl get nrelay "$NAME" | indent

step "events in, over WebSocket"
EVENTS_FILE=$(make_events)
forward
URL=$(relay_url)
began=$(date +%s%N)
import_events
import_ms=$((($(date +%s%N) - began) / 1000000))

step "events out again, compared byte for byte"
read_back "$WORK/stored"
compare_with_source
offered=$(wc -l <"$EVENTS_FILE")
stored=$(wc -l <"$WORK/stored")
echo "$stored of $offered events are stored, each byte for byte as it came" | indent
[ "$stored" -gt 0 ] || { echo "nothing is stored" >&2; exit 1; }

step "killing the pod"
began=$(date +%s%N)
kill_the_pod
wait_until_ready
back_ms=$((($(date +%s%N) - began) / 1000000))
forward
read_back "$WORK/after"
cmp "$WORK/stored" "$WORK/after"
echo "a new pod serves the same $stored events" | indent

cat <<TEXT

Done in $SECONDS s. The cluster stays up.
  apply -> Ready              $((ready_ms / 1000)).$(printf %03d $((ready_ms % 1000))) s
  import of $offered events       $((import_ms / 1000)).$(printf %03d $((import_ms % 1000))) s over WebSocket, each OK after its commit
  stored, and after the kill  $stored = $(wc -l <"$WORK/after"), equal byte for byte
  killed -> Ready again       $((back_ms / 1000)).$(printf %03d $((back_ms % 1000))) s

Look further:
  export KUBECONFIG=$KUBECONFIG PATH=$BIN:\$PATH
  kubectl get nrelay,statefulset,pod,service,networkpolicy,pvc
  kubectl describe nrelay $NAME
  kubectl logs $NAME-0
  kubectl logs -n nostr-fleet-system deploy/nostr-fleet-operator
  $RELAY_BINARY health $URL
  make cluster-down             # stops it; PURGE=1 also forgets it
TEXT
