# shellcheck shell=bash disable=SC2034  # sourced by its neighbours, which use what is set here
# Where everything of the local cluster is, and the addresses it uses. Everything lives under CLUSTER_DIR; outside it only /run/netns,
# the CNI result cache in /var/lib/cni and the cgroups of the pods are touched.
# CLUSTER_NUMBER (0–9) gives a second cluster beside the first its own namespace and addresses; CLUSTER_BIN lets them share binaries.

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=${NOSTR_FLEET_CACHE:-$HOME/.cache/nostr-fleet}
CLUSTER_NUMBER=${CLUSTER_NUMBER:-0}
case $CLUSTER_NUMBER in
  0) default_dir=$CACHE/cluster netns=fleet ;;
  [1-9]) default_dir=$CACHE/cluster-$CLUSTER_NUMBER netns=fleet-$CLUSTER_NUMBER ;;
  *) echo "CLUSTER_NUMBER is $CLUSTER_NUMBER: give a digit from 0 to 9" >&2; exit 2 ;;
esac
CLUSTER_DIR=${CLUSTER_DIR:-$default_dir}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$CACHE/target}

BIN=${CLUSTER_BIN:-$CACHE/cluster/bin}
CNI_BIN=${CLUSTER_CNI_BIN:-$CACHE/cluster/cni/bin}
CNI_CONF=$CLUSTER_DIR/cni/net.d
RUN=$CLUSTER_DIR/run       # sockets and pid files: gone after down.sh
DATA=$CLUSTER_DIR/data     # etcd, containerd, kubelet, volumes: survives down.sh, ends with down.sh --purge
PKI=$CLUSTER_DIR/pki
CONF=$CLUSTER_DIR/etc      # etc/ of this directory with the placeholders filled in
LOG=$CLUSTER_DIR/log
AUDIT=$LOG/audit.log      # what the operator asked of the API server
IMAGES=$CLUSTER_DIR/img    # archives imported at every start
ADMIN=$CLUSTER_DIR/admin.kubeconfig
SOCKET=$RUN/containerd.sock

NETNS=$netns
NETWORK=$netns-pods        # name of the CNI network
NODE=node1
IP=10.250.$CLUSTER_NUMBER.1
HOST_IP=10.250.$CLUSTER_NUMBER.254
PORT=6443
SERVICE_CIDR=10.$((96 + CLUSTER_NUMBER)).0.0/16
API_IP=10.$((96 + CLUSTER_NUMBER)).0.1
DNS_IP=10.$((96 + CLUSTER_NUMBER)).0.10
POD_CIDR=10.$((244 + CLUSTER_NUMBER)).0.0/16
NODE_POD_CIDR=10.$((244 + CLUSTER_NUMBER)).0.0/24

OPERATOR_NAMESPACE=nostr-fleet-system # where the suites and the demo install it, as config/default does
OPERATOR=nostr-fleet-operator

export PATH=$BIN:/usr/local/go/bin:$HOME/.cargo/bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin

# The cluster is reached directly, never through a proxy. (bins.sh and rust-base.sh, which download, keep the proxy.)
without_proxy() { unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY; }

# Not `ip netns exec`: that remounts /sys and hides the cgroups from the kubelet.
in_namespace() { nsenter --net="/run/netns/$NETNS" "$@"; }

# A containerd that was killed leaves its socket behind.
node_answers() { [ -S "$SOCKET" ] && containerd_ctr version >/dev/null 2>&1; }

# Its reminder that cgroup v1 will go is not for whoever runs a test.
containerd_ctr() { ctr -a "$SOCKET" -n k8s.io "$@" 2> >(grep -v 'cgroup v1 is deprecated' >&2); }
