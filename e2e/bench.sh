#!/bin/bash
# usage: bench.sh [EVENTS]
# Figures of a relay on this machine: idle connections and handshakes, in the clear and under TLS, ingest, queries over EVENTS stored events (default
# 100,000), fan-out, and how long a start takes after a
# clean stop, after kill -9, and without run token. FULL=1 fills the store to a million events before the starts and measures ingest once more on it (some minutes).
# The relay runs beside its clients, so CPU per operation says more than operations per second. JSON goes to $CACHE/bench/, tables to the terminal.
set -euo pipefail
cd "$(dirname "$0")/.."
. e2e/fleet.sh
need_rust
need_packages curl openssl python3
COUNT=${1:-100000}
MILLION=1000000
URL=ws://127.0.0.1:18090
OPS=127.0.0.1:18091
RESULTS=$CACHE/bench
mkdir -p "$RESULTS"
WORK=$(mktemp -d "$CACHE/bench-XXXXXX")
TOKENS=$(mktemp -d /dev/shm/nostr-fleet-bench-XXXXXX) # a runtime directory of its own, so that taking a run token away disturbs nobody
SERVER=""
READY_MS=""
trap '[ -z "$SERVER" ] || kill "$SERVER"; rm -rf "$WORK" "$TOKENS"' EXIT

configure() { # many clients, all from one address; as an argument: more cold keys
  cat >"$WORK/relay.yaml" <<YAML
version: 1
cold: {listen: "${URL#ws://}", ops: "$OPS", data: "$WORK/data", runtimeDir: "$TOKENS", grace: 1s${1:+, $1}}
hot: {limits: {connections: 100000, connectionsPerAddress: 100000}}
YAML
}

serve() { # until it is ready, a minute at most; READY_MS says how long that took
  local began
  began=$(date +%s%N)
  "$RELAY_BINARY" serve --config "$WORK/relay.yaml" >>"$WORK/log" 2>&1 &
  SERVER=$!
  until curl -fs "http://$OPS/readyz" >/dev/null; do
    READY_MS=$((($(date +%s%N) - began) / 1000000))
    { kill -0 "$SERVER" && [ $READY_MS -lt 60000 ]; } || { tail "$WORK/log" >&2; exit 1; }
    sleep 0.02
  done
  READY_MS=$((($(date +%s%N) - began) / 1000000))
}

end() { # signal
  kill -s "$1" "$SERVER"
  wait "$SERVER" 2>/dev/null || true
  SERVER=""
}

fresh() { # an empty store and a process without a past
  [ -z "$SERVER" ] || end TERM
  rm -rf "$WORK/data"
  serve
}

measure() { # name of the result, what, arguments…
  echo "--- ${*:2}"
  "$RELAY_BINARY" bench "$2" --url "$URL" --pid "$SERVER" --json "${@:3}" >"$RESULTS/$1.json"
}

fill() { # up to a million events
  local missing_ones
  missing_ones=$((MILLION - $(store events)))
  [ $missing_ones -gt 0 ] || return 0
  echo "--- filling the store to a million events"
  "$RELAY_BINARY" bench events --count $missing_ones --seed 7 >"$WORK/more.jsonl"
  timeout 900 "$RELAY_BINARY" import "$WORK/more.jsonl" --to "$URL"
  rm "$WORK/more.jsonl"
}

store() { # what /status says of the store under this key
  curl -fs "http://$OPS/status" | python3 -c "import json, sys; print(json.load(sys.stdin)['store']['$1'])"
}

under_tls() { # with a certificate of a CA of its own
  e2e/certificate.sh "$WORK/tls" 127.0.0.1
  configure "tls: {directory: \"$WORK/tls\"}"
  fresh
  URL=${URL/ws:/wss:} measure idle-tls idle --ca "$WORK/tls/ca.crt"
  URL=${URL/ws:/wss:} measure handshake-tls handshake --ca "$WORK/tls/ca.crt"
  configure
}

write_something() { # so that there is something to replay, and the view is not clean
  "$RELAY_BINARY" bench ingest --url "$URL" --connections 1 --count 1000 --seed "$1" >/dev/null 2>&1
}

started() { # how the last one ended, what the start should be: a row of the table and of starts.json
  local start events
  start=$(store start)
  events=$(store events)
  [ "$start" = "$2" ] || { echo "the start after $1 was $start, not $2" >&2; exit 1; }
  printf '%28s  %10s  %8d  %8d\n' "$1" "$start" "$events" "$READY_MS"
  printf '{"after":"%s","start":"%s","events":%d,"ready_ms":%d}\n' "$1" "$start" "$events" "$READY_MS" >>"$RESULTS/starts.json"
}

starts() {
  : >"$RESULTS/starts.json"
  write_something 11
  echo "--- starts, with $(du -sh "$WORK/data" | cut -f1) on disk"
  printf '%28s  %10s  %8s  %8s\n' after start events ready_ms
  end TERM
  serve
  started "a clean stop" Clean
  write_something 12
  end KILL
  serve
  started "kill -9" Replayed
  end KILL
  rm -rf "${TOKENS:?}"/*
  serve
  started "kill -9 without run token" Rebuilt
}

e2e/images/static.sh relay
ulimit -n "$(ulimit -H -n)"
configure
fresh
measure idle idle
measure handshake handshake
under_tls
fresh
measure ingest ingest
fresh
measure query query --load --count "$COUNT"
measure fanout fanout
if [ -n "${FULL:-}" ]; then
  fill
  measure ingest-million ingest --seed 9
fi
starts
echo "JSON: $RESULTS/ (in $((SECONDS / 60)) min $((SECONDS % 60)) s)"
