# shellcheck shell=bash
# buildah with a store of its own under the cache. Sourced, after env.sh.

STORE=$CACHE/images

build() { buildah --root "$STORE/store" --runroot "$STORE/run" --storage-driver overlay "$@"; }
