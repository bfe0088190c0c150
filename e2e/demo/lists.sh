# shellcheck shell=bash
# The demo's lists: two authors publish over one open connection, while the list of who may write changes. Sourced by demo.sh.

pubkey() { "$PROBE_BINARY" authors | awk -v name="$1" '$1 == name {print $2}'; }

residents() { # author…: the ConfigMap, as it would stand in Git
  local author
  printf 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: residents\ndata:\n  residents.txt: |\n    # who lives here\n'
  for author; do echo "    $(pubkey "$author")  # $author"; done
}

authors_publish() { # in the background; each change of a verdict becomes a line: milliseconds, author, words
  "$PROBE_BINARY" authors "$URL" "$CA" >"$WORK/verdicts" 2>"$WORK/authors" &
  AUTHORS=$!
}

connection_is_open() { kill -0 "$AUTHORS" 2>/dev/null || { echo "the authors' connection ended: $(cat "$WORK/authors")" >&2; exit 1; }; }

last_verdict() { awk -v name="$1" '$2 == name {$1 = $2 = ""; last = $0} END {sub(/^ +/, "", last); print last}' "$WORK/verdicts"; }

await_verdict() { # author, how it begins, nanoseconds at the start: seconds until then
  local tries=0
  until [[ $(last_verdict "$1") == "$2"* ]]; do
    connection_is_open
    tries=$((tries + 1))
    [ $tries -lt 1200 ] || { echo "no verdict $2 for $1 within two minutes: $(last_verdict "$1")" >&2; exit 1; }
    sleep 0.1
  done
  awk -v name="$1" -v start="$(($3 / 1000000))" '$2 == name {at = $1} END {printf "%.2f s", (at - start) / 1000}' "$WORK/verdicts"
}

same_verdicts_for() { # seconds, what this proves
  local before
  before=$(cat "$WORK/verdicts")
  sleep "$1"
  connection_is_open
  [ "$before" = "$(cat "$WORK/verdicts")" ] || { echo "a verdict changed: $(diff <(echo "$before") "$WORK/verdicts")" >&2; exit 1; }
}

allowlist() { # field of status.allowlist
  k get nrelay "$NAME" -o jsonpath="{.status.allowlist.$1}"
}

await_list() { # entries: until the status knows a list of that many, and says that the pod has it
  local field
  for field in entries="$1" applied=1/1; do
    k wait --for=jsonpath="{.status.allowlist.${field%=*}}=${field#*=}" "nrelay/$NAME" --timeout=60s >/dev/null
  done
}
