#!/bin/bash
# usage: audit-log.sh
# Prints what pods of nostr-fleet-system asked of the local cluster's API server, oldest first: one audit.k8s.io/v1 Event (JSON) a line.
set -euo pipefail
. "$(dirname "$0")/env.sh"
. "$HERE/prerequisites.sh"
[ -s "$AUDIT" ] || missing "an audit log at $AUDIT" "run 'make cluster-up': it starts the API server anew where its flags changed"
shopt -s nullglob
cat "${AUDIT%.log}"-*.log "$AUDIT"
