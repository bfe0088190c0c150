# shellcheck shell=bash
# The cluster's network namespace and the wire to it. Sourced, after env.sh. The namespace has no route out: pods reach each other, the API
# server and the host's end of the wire, nothing else; the host reaches pod and Service addresses.

network_up() {
  [ -e "/run/netns/$NETNS" ] || ip netns add "$NETNS"
  if ! ip link show dev "$NETNS-host" >/dev/null 2>&1; then
    ip link add "$NETNS-host" type veth peer name eth0 netns "$NETNS"
    ip addr add "$HOST_IP/24" dev "$NETNS-host"
    ip link set "$NETNS-host" up
    in_namespace ip link set lo up
    in_namespace ip addr add "$IP/24" dev eth0
    in_namespace ip link set eth0 up
    in_namespace ip route add default via "$HOST_IP"
  fi
  ip route replace "$POD_CIDR" via "$IP" dev "$NETNS-host"
  ip route replace "$SERVICE_CIDR" via "$IP" dev "$NETNS-host"
  in_namespace sysctl -qw net.ipv4.ip_forward=1
  in_namespace sysctl -qw net.bridge.bridge-nf-call-iptables=1 2>/dev/null || true
  # the host forwards nothing for the namespace
  iptables -C FORWARD -i "$NETNS-host" -j DROP 2>/dev/null || iptables -I FORWARD -i "$NETNS-host" -j DROP
}

pod_namespaces() { # of this cluster's pods, as the CNI result cache names them
  grep -oh 'netns/cni-[0-9a-f-]*' "/var/lib/cni/results/$NETWORK-"* 2>/dev/null | cut -d/ -f2 | sort -u
}

network_down() { # rules, bridge and addresses go with the namespace
  local pod
  iptables -D FORWARD -i "$NETNS-host" -j DROP 2>/dev/null || true
  ip link del "$NETNS-host" 2>/dev/null || true
  for pod in $(pod_namespaces); do ip netns del "$pod" 2>/dev/null || true; done
  ip netns del "$NETNS" 2>/dev/null || true
  rm -rf "$DATA/ipam"
  rm -f "/var/lib/cni/results/$NETWORK-"*
}
