#!/bin/bash
# usage: bins.sh [MODULE…]
# Builds the cluster's binaries, or those of the named modules of tools/, into $CLUSTER_BIN and the CNI plugins beside them. The Go modules in tools/
# pin versions and checksums; runc and the network tools are Debian packages. 9 minutes on 2 idle cores from nothing. A stamp per module names what is
# there, so that an equal set is not built again and a changed module builds alone.
set -euo pipefail
. "$(dirname "$0")/env.sh"
. "$HERE/prerequisites.sh"

stamp() { cat "$HERE/tools/$1/go.mod" "$HERE/tools/$1/go.sum" | sha256sum | cut -c1-16; }
is_built() { [ "$(cat "$BIN/.$1.stamp" 2>/dev/null)" = "$(stamp "$1")" ]; }

compile() { # module, output file, package, [linker flags]
  local began=$SECONDS
  (cd "$HERE/tools/$1" && go build -trimpath -ldflags "-s -w ${4:-}" -o "$2" "$3")
  echo "  built $(basename "$2") in $((SECONDS - began)) s"
}

kubernetes_version_flags() { # what `go build` outside the release scripts leaves unset: clients read the version
  local version minor package
  version=$(awk '$1 == "k8s.io/kubernetes" {print $2} $2 == "k8s.io/kubernetes" {print $3}' "$HERE/tools/k8s/go.mod" | head -1)
  minor=$(echo "$version" | cut -d. -f2)
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    printf -- '-X %s.gitVersion=%s -X %s.gitMajor=1 -X %s.gitMinor=%s -X %s.gitTreeState=clean ' \
      $package "$version" $package $package "$minor" $package
  done
}

build_k8s() {
  local flags program
  flags=$(kubernetes_version_flags)
  for program in kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl; do
    compile k8s "$BIN/$program" "k8s.io/kubernetes/cmd/$program" "$flags"
  done
}
build_etcd() { compile etcd "$BIN/etcd" go.etcd.io/etcd/server/v3; }
build_containerd() {
  local program
  for program in containerd containerd-shim-runc-v2 ctr; do compile containerd "$BIN/$program" "github.com/containerd/containerd/v2/cmd/$program"; done
}
build_cni() {
  local plugin
  for plugin in main/bridge main/loopback ipam/host-local meta/portmap; do
    compile cni "$CNI_BIN/$(basename "$plugin")" "github.com/containernetworking/plugins/plugins/$plugin"
  done
}
build_netpol() { compile netpol "$BIN/kube-network-policies" sigs.k8s.io/kube-network-policies/cmd/kube-network-policies/standard; }
build_coredns() { compile coredns "$BIN/coredns" github.com/coredns/coredns; }
build_helm() {
  compile helm "$BIN/helm" helm.sh/helm/v4/cmd/helm
  compile helm "$BIN/kubeconform" github.com/yannh/kubeconform/cmd/kubeconform
}

node_packages() { # what up.sh and the node's programs call
  need_packages runc iproute2 iptables conntrack procps openssl curl gcc libc6-dev util-linux python3
  ln -sf /usr/sbin/runc "$BIN/runc"
}

mkdir -p "$BIN" "$CNI_BIN"
exec 9>"$BIN/.lock"
flock 9
[ "$*" = helm ] || node_packages # helm and kubeconform run without a cluster of ours
export CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS=-mod=readonly
[ $# -gt 0 ] || set -- k8s etcd containerd cni netpol coredns helm
for module; do
  is_built "$module" && continue
  need_go "$(awk '$1 == "go" {print $2}' "$HERE/tools/$module/go.mod")"
  echo "building $module"
  "build_$module"
  stamp "$module" >"$BIN/.$module.stamp"
done
echo "the cluster's binaries are in $BIN"
