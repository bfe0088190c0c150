#!/bin/bash
# usage: certificate.sh DIRECTORY NAME…
# A private CA in DIRECTORY (ca.crt, ca.key; made once) and a new certificate of it for these DNS names and addresses (tls.crt, tls.key), by openssl
# as anybody would without cert-manager.
set -euo pipefail
directory=$(realpath -m "$1")
shift
cd "$(dirname "$0")/.."
. e2e/cluster/prerequisites.sh
command -v openssl >/dev/null || need_packages openssl
umask 077
mkdir -p "$directory"
cd "$directory"

key() { echo -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1"; }

alternative_names() { # those of digits and dots, or with a colon, are addresses
  local name list=""
  for name; do
    case $name in
      *:* | *[0-9].[0-9]*.[0-9]*.[0-9]*) list="$list,IP:$name" ;;
      *) list="$list,DNS:$name" ;;
    esac
  done
  echo "subjectAltName=${list#,}"
}

# shellcheck disable=SC2046  # several words
[ -s ca.crt ] || openssl req -x509 $(key ca.key) -out ca.crt -days 3650 -subj "/CN=A private CA" \
  -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
# shellcheck disable=SC2046
openssl req $(key tls.key) -out tls.csr -subj "/CN=relay" 2>/dev/null
openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 90 -out tls.crt 2>/dev/null \
  -extfile <(printf 'basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n%s\n' "$(alternative_names "$@")")
rm tls.csr
