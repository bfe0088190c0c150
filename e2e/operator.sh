# shellcheck shell=bash
# The installed operator, out of the way for a while. Sourced, after env.sh, where E2E_KUBECONFIG is set.

its_deployment() { kubectl --kubeconfig "$E2E_KUBECONFIG" --namespace "$OPERATOR_NAMESPACE" "$@"; }

operator_replicas() { # nothing where it is not installed
  its_deployment get deployment "$OPERATOR" --ignore-not-found -o jsonpath='{.spec.replicas}' 2>/dev/null || true
}

scale_operator() { # replicas
  its_deployment scale "deployment/$OPERATOR" --replicas="$1" >/dev/null
}

operator_aside() { # until its pods are gone; nothing to do where it is not installed
  [ -n "$(operator_replicas)" ] || return 0
  scale_operator 0
  its_deployment wait --for=delete pod -l "app.kubernetes.io/name=$OPERATOR" --timeout=60s >/dev/null
}
