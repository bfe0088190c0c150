#!/bin/bash
# usage: bench.sh [EVENTS]
# Figures of a relay on this machine: ingest, queries over EVENTS stored events (default 100,000), fan-out, idle connections; then how long a restart takes.
# The relay runs beside its clients, so CPU per operation says more than operations per second. JSON goes to $CACHE/bench/, tables to the terminal.
set -euo pipefail
cd "$(dirname "$0")/.."
. e2e/fleet.sh
need_rust
COUNT=${1:-100000}
URL=ws://127.0.0.1:18090
OPS=127.0.0.1:18091
RESULTS=$CACHE/bench
WORK=$(mktemp -d "$CACHE/bench-XXXXXX")
SERVER=""
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$CACHE/target}
RELAY_BINARY=$CARGO_TARGET_DIR/$(uname -m)-unknown-linux-gnu/release/relay
trap '[ -z "$SERVER" ] || kill "$SERVER"; rm -rf "$WORK"' EXIT

configure() { # many clients, all from one address
  cat >"$WORK/relay.yaml" <<YAML
version: 1
cold: {listen: "${URL#ws://}", ops: "$OPS", data: "$WORK/data", grace: 1s}
hot: {limits: {connections: 100000, connectionsPerAddress: 100000}}
YAML
}

serve() {
  "$RELAY_BINARY" serve --config "$WORK/relay.yaml" 2>>"$WORK/log" &
  SERVER=$!
  until curl -fs "http://$OPS/readyz" >/dev/null; do
    kill -0 "$SERVER" || { cat "$WORK/log" >&2; exit 1; }
    sleep 0.1
  done
}

stop() {
  kill "$SERVER"
  wait "$SERVER" || true
  SERVER=""
}

measure() { # what, arguments…
  echo "--- $*"
  "$RELAY_BINARY" bench "$1" --url "$URL" --pid "$SERVER" --json "${@:2}" >"$RESULTS/$1.json"
}

restart() {
  local began
  stop
  began=$(date +%s%N)
  serve
  echo "restart on $(du -sh "$WORK/data" | cut -f1): ready after $((($(date +%s%N) - began) / 1000000)) ms"
}

e2e/images/static.sh
mkdir -p "$RESULTS"
ulimit -n "$(ulimit -H -n)"
configure
serve
measure ingest
measure query --load --count "$COUNT"
measure fanout
measure idle
restart
echo "JSON: $RESULTS/"
