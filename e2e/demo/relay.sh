# shellcheck shell=bash
# The demo's relay: its namespace, the way to it, its pod. Sourced by demo.sh.

fresh_namespace() { # the demo's own: what an earlier one left would be found among the events
  if kubectl get namespace "$NAMESPACE" >/dev/null 2>&1; then
    echo "first what an earlier demo left must go: waiting for namespace $NAMESPACE to end, about a minute" | indent
  fi
  kubectl delete namespace "$NAMESPACE" --ignore-not-found >/dev/null
  kubectl create namespace "$NAMESPACE" >/dev/null
  kubectl label namespace "$NAMESPACE" pod-security.kubernetes.io/enforce=restricted >/dev/null
}

host() { # where this machine reaches the relay; without a route to the Service: through the API server
  if [ -n "${E2E_LOCAL:-}" ]; then
    k get service "$NAME" -o jsonpath='{.spec.clusterIP}'
  else
    echo 127.0.0.1
  fi
}

relay_url() {
  if [ -n "${E2E_LOCAL:-}" ]; then echo "wss://$(host):8443"; else echo "wss://127.0.0.1:18443"; fi
}

forward() { # again after each kill: forwarding ends with the pod
  [ -z "${E2E_LOCAL:-}" ] || return 0
  if [ -n "$FORWARD" ]; then # the port must be free again
    kill "$FORWARD" 2>/dev/null || true
    wait "$FORWARD" 2>/dev/null || true
  fi
  kubectl --namespace "$NAMESPACE" port-forward "pod/$NAME-0" 18443:8443 >/dev/null & # not k: its process would be a shell around it
  FORWARD=$!
  sleep 2
}

await_condition() { # condition, e.g. Ready or ConfigurationValid=False
  k wait --for="condition=$1" "nrelay/$NAME" --timeout=180s >/dev/null
}

why() { # condition: its message
  k get nrelay "$NAME" -o jsonpath="{.status.conditions[?(@.type=='$1')].message}{'\n'}"
}

await_relay() { # kube-proxy hears of a ready pod a moment after we do
  local tries=0
  until "$RELAY_BINARY" health "$URL" --ca "$CA" --timeout 2s >/dev/null 2>"$WORK/health"; do
    tries=$((tries + 1))
    if [ $tries = 30 ]; then cat "$WORK/health" >&2; exit 1; fi
    sleep 0.2
  done
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
