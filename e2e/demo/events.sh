# shellcheck shell=bash
# The demo's events: made or given, brought in, read back and judged by something that is not the relay. Sourced by demo.sh.

make_events() { # prints the file's name
  if [ -n "${EVENTS:-}" ]; then
    [ -r "$EVENTS" ] || missing "the file EVENTS=$EVENTS" "name a file of events, one JSON object a line, or leave EVENTS out"
    echo "$EVENTS"
  else
    "$RELAY_BINARY" bench events --count "$COUNT" >"$WORK/made.jsonl"
    echo "$WORK/made.jsonl"
  fi
}

import_events() { # exit code 3: some lines were refused, and the report says why (real events expire, or are replaced)
  "$RELAY_BINARY" import "$EVENTS_FILE" --to "$URL" --ca "$CA" || [ $? = 3 ]
}

read_back() { # file: every stored event, one a line, in a fixed order; exit code 3: gift wraps, which only those whom they name may read, are not among them
  { "$RELAY_BINARY" export --from "$URL" --ca "$CA" || [ $? = 3 ]; } | LC_ALL=C sort >"$1"
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
