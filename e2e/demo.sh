#!/bin/bash
# usage: demo.sh
# From nothing to a relay on Kubernetes: cluster, images, operator, config/samples/nostrrelay.yaml; 1,500 events in over WebSocket and out again;
# the pod is killed; everything is still there. EVENTS=FILE imports that file, otherwise signed events are made. Leaves the cluster up.
set -euo pipefail
cd "$(dirname "$0")/.."
. e2e/fleet.sh
NAMESPACE=nostr-demo
NAME=town
COUNT=1500
WORK=$(mktemp -d)
FORWARD=""
trap 'rm -rf "$WORK"; [ -z "$FORWARD" ] || kill "$FORWARD"' EXIT

step() { printf '\n[%3d s] %s\n' "$SECONDS" "$*"; }
k() { kubectl --namespace "$NAMESPACE" "$@"; }
indent() { sed 's/^/        /'; }

fresh_namespace() { # the demo's own: what an earlier one left would be found among the events
  kubectl delete namespace "$NAMESPACE" --ignore-not-found >/dev/null
  kubectl create namespace "$NAMESPACE" >/dev/null
  kubectl label namespace "$NAMESPACE" pod-security.kubernetes.io/enforce=restricted >/dev/null
}

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
    echo "ws://$(k get service "$NAME" -o jsonpath='{.spec.clusterIP}'):8080"
  else
    echo "ws://127.0.0.1:18080"
  fi
}

forward() { # again after each kill: forwarding ends with the pod
  [ -z "${E2E_LOCAL:-}" ] || return 0
  [ -z "$FORWARD" ] || kill "$FORWARD" 2>/dev/null || true
  k port-forward "pod/$NAME-0" 18080:8080 >/dev/null &
  FORWARD=$!
  sleep 2
}

wait_until_ready() { k wait --for=condition=Ready "nrelay/$NAME" --timeout=180s >/dev/null; }

wait_until_reachable() { # kube-proxy hears of a ready pod a moment after we do
  local tries=0
  until "$RELAY_BINARY" health "$URL" --timeout 2s >/dev/null 2>"$WORK/health"; do
    tries=$((tries + 1))
    if [ $tries = 30 ]; then cat "$WORK/health" >&2; exit 1; fi
    sleep 0.2
  done
}

import_events() { # exit code 3: some lines were refused, and the report says why (real events expire, or are replaced)
  "$RELAY_BINARY" import "$EVENTS_FILE" --to "$URL" || [ $? = 3 ]
}

read_back() { # file: every stored event, one a line, in a fixed order
  "$RELAY_BINARY" export --from "$URL" | LC_ALL=C sort >"$1"
}

# What is stored must be, byte for byte, what the NIPs say that a relay keeps of the file: no line less, no line more.
compare_with_source() {
  e2e/expected.py "$EVENTS_FILE" | LC_ALL=C sort >"$WORK/expected"
  if ! cmp -s "$WORK/expected" "$WORK/stored"; then
    echo "the relay's events differ from what it should keep of $EVENTS_FILE (< missing, > unexpected):" >&2
    diff "$WORK/expected" "$WORK/stored" | cut -c1-200 | head -5 >&2
    exit 1
  fi
}

pod_life() { k get pod "$NAME-0" --ignore-not-found -o jsonpath='{.metadata.uid} {.status.containerStatuses[0].restartCount}'; }

kill_the_pod() { # SIGKILL where the node is ours; elsewhere a forced delete must do. Waits until it is ready again
  local former
  former=$(pod_life)
  if [ -n "${E2E_LOCAL:-}" ]; then
    e2e/cluster/kill-container.sh "$NAMESPACE" "$NAME-0"
  else
    echo "not this machine's cluster: a forced delete, which is a stop within two seconds, instead of SIGKILL" | indent
    k delete pod "$NAME-0" --grace-period=0 --force >/dev/null 2>&1
  fi
  until [ -n "$(pod_life)" ] && [ "$(pod_life)" != "$former" ]; do sleep 0.2; done
  k wait --for=condition=Ready "pod/$NAME-0" --timeout=180s >/dev/null
}

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
[ -n "${E2E_LOCAL:-}" ] || e2e/images/static.sh relay # the relay's own tools import and export

step "CRDs and operator: helm install nostr-fleet charts/nostr-fleet"
e2e/install.sh | indent

step "kubectl apply -f config/samples/nostrrelay.yaml, in namespace $NAMESPACE"
fresh_namespace
began=$(date +%s%N)
k apply -f config/samples/nostrrelay.yaml | indent
wait_until_ready
ready_time=$(seconds_since "$began")
k get nrelay "$NAME" | indent

step "events in, over WebSocket"
EVENTS_FILE=$(make_events)
forward
URL=$(relay_url)
wait_until_reachable
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
wait_until_ready
back_time=$(seconds_since "$began")
forward
wait_until_reachable
read_back "$WORK/after"
cmp "$WORK/stored" "$WORK/after"
echo "it serves the same $stored events" | indent

cat <<TEXT

Done in $SECONDS s. The cluster stays up.
  apply -> Ready              $ready_time
  import of $offered events       $import_time over WebSocket, each OK after its commit
  stored, and after the kill  $stored = $(wc -l <"$WORK/after"), equal byte for byte
  killed -> Ready again       $back_time

Look further:
  export KUBECONFIG=$KUBECONFIG${E2E_LOCAL:+ PATH=$BIN:\$PATH}
  kubectl -n $NAMESPACE get nrelay,statefulset,pod,service,networkpolicy,pvc
  kubectl -n $NAMESPACE describe nrelay $NAME
  kubectl -n $NAMESPACE logs $NAME-0
  kubectl -n nostr-fleet-system logs deploy/nostr-fleet-operator
  helm -n nostr-fleet-system test nostr-fleet
  $RELAY_BINARY health $URL
TEXT
[ -z "${E2E_LOCAL:-}" ] || echo "  make cluster-down             # stops it; PURGE=1 also forgets it"
