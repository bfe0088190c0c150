# shellcheck shell=bash disable=SC2034  # sourced by its neighbours
# The images' names. `:dev` is what config/default names and `make images` builds; the suites pack binaries built on the host under a tag made of
# the binary's hash, so that a changed binary is a changed pod and an equal one is not.

REPOSITORY=localhost/nostr-fleet
PROGRAMS="relay operator"   # these have Dockerfiles
PACKED_PROGRAMS="$PROGRAMS probe"  # probe: what pods of the tests run
STATIC=$CARGO_TARGET_DIR/$(uname -m)-unknown-linux-gnu/release # where static.sh leaves the binaries
RELAY_BINARY=$STATIC/relay
PROBE_BINARY=$STATIC/probe
PACKED=$CACHE/packed # archives, and names.env: what pack.sh made last
