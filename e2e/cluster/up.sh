#!/bin/bash
# usage: up.sh [--control-plane-only]
# A real single-node Kubernetes in a network namespace of its own: control plane and, unless --control-plane-only (objects appear, pods stay
# Pending), a node on which pods run, volumes bind, Services and DNS work and NetworkPolicy is enforced. Idempotent; state survives down.sh.
set -euo pipefail
. "$(dirname "$0")/env.sh"
. "$HERE/prerequisites.sh"
. "$HERE/process.sh"
. "$HERE/network.sh"
. "$HERE/keys.sh"
. "$HERE/control_plane.sh"
. "$HERE/node.sh"
without_proxy
need_root
[ -x "$BIN/kube-apiserver" ] || missing "the cluster's binaries in $BIN" "run $HERE/bins.sh"
mkdir -p "$RUN" "$DATA" "$PKI" "$CONF" "$CNI_CONF" "$LOG" "$IMAGES"
export KUBECONFIG=$ADMIN
exec 9>"$CLUSTER_DIR/up.lock"
flock 9 # two callers at once: the second finds it all up

# systemd owns cgroup v2 where it runs; elsewhere (cgroup v1, containers) the kubelet and runc write cgroups themselves.
cgroups() {
  if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ] && [ -d /run/systemd/system ]; then echo systemd; else echo cgroupfs; fi
}

# A kubelet ends every pod under its cgroup root that it does not know: clusters beside the first have a root of their own.
cgroup_root() {
  [ "$CLUSTER_NUMBER" = 0 ] && { echo /; return; }
  [ "$(cgroups)" = cgroupfs ] || missing "a way to run a second cluster under systemd's cgroups" "use CLUSTER_NUMBER=0"
  local hierarchy
  awk '$3 == "cgroup" || $3 == "cgroup2" {print $2}' /proc/mounts | while read -r hierarchy; do
    mkdir -p "$hierarchy/$NETNS"
    # cpuset hands nothing down by itself in cgroup v1
    if [ -e "$hierarchy/$NETNS/cpuset.mems" ] && [ -e "$hierarchy/cgroup.clone_children" ]; then
      cat "$hierarchy/cpuset.cpus" >"$hierarchy/$NETNS/cpuset.cpus"
      cat "$hierarchy/cpuset.mems" >"$hierarchy/$NETNS/cpuset.mems"
    fi
  done
  echo "/$NETNS"
}

configure() { # fills the placeholders of etc/ in
  local driver systemd=false root file
  driver=$(cgroups)
  root=$(cgroup_root)
  [ "$driver" = systemd ] && systemd=true
  for file in "$HERE"/etc/*; do
    sed "s#@DIR@#$CLUSTER_DIR#g; s#@CNI_BIN@#$CNI_BIN#g; s#@BIN@#$BIN#g; s#@IP@#$IP#g; s#@DNS_IP@#$DNS_IP#g; s#@POD_CIDR@#$POD_CIDR#g
      s#@NODE_POD_CIDR@#$NODE_POD_CIDR#g; s#@NETWORK@#$NETWORK#g; s#@CGROUPS@#$driver#g; s#@CGROUP_ROOT@#$root#g; s#@SYSTEMD_CGROUPS@#$systemd#g" "$file" >"$CONF/$(basename "$file")"
  done
  mv "$CONF/10-bridge.conflist" "$CNI_CONF/"
}

# What suites that were killed left behind. Nobody has used this cluster since, if even its etcd did not run.
remove_leftovers() {
  kubectl get namespace -l nostr-fleet/test -o name | xargs -r kubectl delete --wait=false --ignore-not-found ||
    echo "what suites left behind is still there" >&2
}

network_up
configure
make_keys
runs etcd || runs kube-apiserver || began=yes
control_plane_up
[ -z "${began:-}" ] || remove_leftovers
[ "${1:-}" = --control-plane-only ] || node_up
echo "the cluster is up: export KUBECONFIG=$ADMIN PATH=$BIN:\$PATH"
