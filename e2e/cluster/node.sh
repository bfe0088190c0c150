# shellcheck shell=bash
# containerd, kubelet, kube-proxy, the NetworkPolicy engine and DNS: what makes pods run. Sourced, after env.sh, process.sh and network.sh.

pack_own_images() { # pause and CoreDNS, from nothing but their binaries
  local root=$DATA/rootfs
  mkdir -p "$root/pause" "$root/coredns"
  if [ ! -s "$IMAGES/pause.tar" ]; then
    gcc -Os -static -o "$root/pause/pause" "$HERE/pause.c"
    python3 "$HERE/pack_image.py" localhost/pause:1 "$root/pause" "$IMAGES/pause.tar" --entrypoint '["/pause"]' >/dev/null
  fi
  if [ ! -s "$IMAGES/coredns.tar" ]; then
    cp "$BIN/coredns" "$root/coredns/"
    python3 "$HERE/pack_image.py" localhost/coredns:1 "$root/coredns" "$IMAGES/coredns.tar" --entrypoint '["/coredns"]' >/dev/null
  fi
}

start_containerd() {
  local archive
  start containerd containerd --config "$CONF/containerd.toml"
  await containerd 30 containerd_ctr version
  for archive in "$IMAGES"/*.tar; do
    containerd_ctr images import --local "$archive" >>"$LOG/import.log" 2>&1 || echo "  $archive was not imported: see $LOG/import.log" >&2
  done
}

start_kubelet() {
  start kubelet kubelet --config="$CONF/kubelet.yaml" --kubeconfig="$PKI/kubelet.kubeconfig" --hostname-override="$NODE" \
    --node-ip="$IP" --root-dir="$DATA/kubelet" --v=2
  start kube-proxy kube-proxy --config="$CONF/kube-proxy.yaml" --hostname-override="$NODE"
  await "node $NODE" 90 kubectl wait --for=condition=Ready "node/$NODE" --timeout=1s
}

# kube-network-policies decides about every new connection that is forwarded, or that a pod opens to the node. It would queue packets by
# nftables, which some kernels cannot (its log says so once, harmlessly); iptables feeds the same queue here. The kubelet's probes do not pass.
start_policies() {
  local chain
  start kube-network-policies kube-network-policies --kubeconfig="$ADMIN" --hostname-override="$NODE" --nfqueue-id=98 --disable-nri \
    --fail-open=false --netfilter-bug-1766-fix=false --metrics-bind-address=127.0.0.1:19080 --v=1
  for chain in "FORWARD" "INPUT -i cni0"; do
    # shellcheck disable=SC2086  # a chain and, for INPUT, its interface
    in_namespace iptables -C $chain -m conntrack --ctstate NEW -j NFQUEUE --queue-num 98 2>/dev/null ||
      in_namespace iptables -I $chain -m conntrack --ctstate NEW -j NFQUEUE --queue-num 98
  done
}

start_dns() {
  kubectl apply -f "$CONF/coredns.yaml" >/dev/null
  await DNS 60 kubectl -n kube-system wait --for=condition=Available deploy/coredns --timeout=1s
}

node_up() {
  pack_own_images
  start_containerd
  start_kubelet
  start_policies
  start_dns
}

remove_containers() { # three rounds: a task that is being killed holds its container
  local round id
  for round in 1 2 3; do
    for id in $(containerd_ctr tasks ls -q 2>/dev/null); do timeout 5 ctr -a "$SOCKET" -n k8s.io tasks kill -s KILL "$id" >/dev/null 2>&1; done
    sleep 0.5
    for id in $(containerd_ctr tasks ls -q 2>/dev/null); do timeout 5 ctr -a "$SOCKET" -n k8s.io tasks rm -f "$id" >/dev/null 2>&1; done
    [ -z "$(containerd_ctr tasks ls -q 2>/dev/null)" ] && break
    echo "  containers still end after round $round" >&2
  done
  for id in $(containerd_ctr containers ls -q 2>/dev/null); do timeout 5 ctr -a "$SOCKET" -n k8s.io containers rm "$id" >/dev/null 2>&1; done
}

stop_shims() { # those of this containerd only: their -address argument is our socket
  local process
  for process in /proc/[0-9]*; do
    case "$(tr '\0' ' ' 2>/dev/null <"$process/cmdline")" in
      *containerd-shim-runc-v2*" -address $SOCKET"*) kill -9 "${process#/proc/}" ;;
    esac
  done
}

unmount_pods() {
  awk '{print $2}' /proc/mounts | grep -E "^($DATA/kubelet|$RUN/containerd)(/|$)" | sort -r |
    while read -r mounted; do umount -l "$mounted" 2>/dev/null; done
}

node_down() {
  stop kube-network-policies
  stop kubelet
  if runs containerd; then remove_containers; fi
  stop containerd
  stop_shims
  stop kube-proxy
  unmount_pods
}
