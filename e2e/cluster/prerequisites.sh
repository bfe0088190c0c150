# shellcheck shell=bash
# What must be on the machine, each with its remedy. Sourced. Debian packages are installed when they are missing; Go, Rust and root are asked for.

missing() { # what, remedy
  echo "missing: $1" >&2
  echo "  remedy: $2" >&2
  exit 2
}

need_root() {
  [ "$(id -u)" = 0 ] || missing "root (network namespaces, mounts and cgroups need it)" "run the command as root, or set E2E_KUBECONFIG to use a cluster that exists"
}

at_least() { # lowest version, version
  [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -1)" = "$1" ]
}

need_go() { # lowest version
  local have
  command -v go >/dev/null || missing "Go $1 or newer" "install it from https://go.dev/dl and put its bin directory on PATH"
  have=$(GOTOOLCHAIN=local go env GOVERSION | sed 's/^go//; s/[^0-9.].*//')
  at_least "$1" "$have" || missing "Go $1 or newer (this is $have)" "install a newer one from https://go.dev/dl"
}

need_rust() {
  local lowest=1.89 have
  { command -v cargo && command -v rustc; } >/dev/null ||
    missing "Rust (cargo and rustc)" "install it from https://rustup.rs; the version in rust-toolchain.toml is fetched by itself"
  have=$(rustc --version | cut -d' ' -f2)
  at_least $lowest "$have" || missing "Rust $lowest or newer (this is $have)" "install it from https://rustup.rs, which fetches the version in rust-toolchain.toml"
  own_builds
}

# cargo knows new sources by their time, not by their place: what another checkout built of this project is built anew for this one,
# and not while that one is at work. The lock on file 8 is held as long as the script and what it runs.
own_builds() {
  local here last=$CARGO_TARGET_DIR/checkout
  here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
  mkdir -p "$CARGO_TARGET_DIR"
  exec 8>>"$CARGO_TARGET_DIR/checkout.lock"
  flock -s 8
  whose() { cat "$last" 2>/dev/null || true; }
  [ "$(whose)" = "$here" ] && return
  if ! flock -w 3 8; then
    flock -s 8
    [ "$(whose)" = "$here" ] ||
      missing "a build directory: $(whose) uses $CARGO_TARGET_DIR right now" "wait for that, or name another with CARGO_TARGET_DIR"
    return
  fi
  find "$CARGO_TARGET_DIR/" -maxdepth 4 -path '*/.fingerprint/*' \( -name 'nostr-fleet-*' -o -name 'relay-config-*' \) -prune -exec rm -rf {} +
  echo "$here" >"$last"
  flock -s 8
}

need_packages() { # Debian packages…
  local package absent=()
  for package; do dpkg -s "$package" >/dev/null 2>&1 || absent+=("$package"); done
  [ ${#absent[@]} = 0 ] && return
  command -v apt-get >/dev/null || missing "${absent[*]}" "install what these Debian packages hold with your package manager"
  need_root
  echo "installing Debian packages: ${absent[*]}"
  apt-get update -q >/dev/null || missing "package lists" "see what 'apt-get update' says"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${absent[@]}" >/dev/null ||
    missing "${absent[*]}" "see what 'apt-get install ${absent[*]}' says"
}
