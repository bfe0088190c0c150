# shellcheck shell=bash
# The cluster's certificate authority, certificates and kubeconfigs. Sourced, after env.sh. What is there is kept.

authority() {
  [ -s "$PKI/ca.crt" ] && return
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$PKI/ca.key" -out "$PKI/ca.crt" -days 3650 -subj /CN=k8s-ca \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature 2>/dev/null
}

certificate() { # name, subject, serverAuth|clientAuth, [alternative names]
  local base=$PKI/$1
  [ -s "$base.crt" ] && return
  openssl req -newkey rsa:2048 -nodes -keyout "$base.key" -out "$base.csr" -subj "$2" 2>/dev/null
  printf 'basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=%s\n%s\n' \
    "$3" "${4:+subjectAltName=$4}" >"$base.ext"
  openssl x509 -req -in "$base.csr" -CA "$PKI/ca.crt" -CAkey "$PKI/ca.key" -CAcreateserial -days 3650 -extfile "$base.ext" -out "$base.crt" 2>/dev/null
}

kubeconfig() { # certificate, file
  [ -s "$2" ] && return
  kubectl config --kubeconfig="$2" set-cluster k8s --server="https://$IP:$PORT" --certificate-authority="$PKI/ca.crt" --embed-certs >/dev/null
  kubectl config --kubeconfig="$2" set-credentials "$1" --client-certificate="$PKI/$1.crt" --client-key="$PKI/$1.key" --embed-certs >/dev/null
  kubectl config --kubeconfig="$2" set-context k8s --cluster=k8s --user="$1" >/dev/null
  kubectl config --kubeconfig="$2" use-context k8s >/dev/null
  chmod 600 "$2"
}

make_keys() {
  local component
  authority
  certificate apiserver /CN=kube-apiserver serverAuth \
    "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,IP:127.0.0.1,IP:$IP,IP:$API_IP"
  certificate kubelet-server "/O=system:nodes/CN=system:node:$NODE" serverAuth "DNS:$NODE,DNS:localhost,IP:127.0.0.1,IP:$IP"
  certificate apiserver-kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client clientAuth
  certificate front-proxy-client /CN=front-proxy-client clientAuth
  certificate admin /O=system:masters/CN=admin clientAuth
  certificate kubelet "/O=system:nodes/CN=system:node:$NODE" clientAuth
  kubeconfig admin "$ADMIN"
  kubeconfig kubelet "$PKI/kubelet.kubeconfig"
  for component in kube-controller-manager kube-scheduler kube-proxy; do
    certificate "$component" "/CN=system:$component" clientAuth
    kubeconfig "$component" "$PKI/$component.kubeconfig"
  done
  [ -s "$PKI/sa.key" ] || openssl genrsa -out "$PKI/sa.key" 2048 2>/dev/null
  [ -s "$PKI/sa.pub" ] || openssl rsa -in "$PKI/sa.key" -pubout -out "$PKI/sa.pub" 2>/dev/null
}
