# shellcheck shell=bash
# etcd, the API server, the controller manager, the scheduler and the volume provisioner. Sourced, after env.sh, process.sh and keys.sh.

ETCD=http://127.0.0.1:12379
ETCD_PEER=http://127.0.0.1:12380

start_etcd() { # a test cluster may lose its state with the machine: no fsync
  start etcd etcd --name=e0 --data-dir="$DATA/etcd" --listen-client-urls=$ETCD --advertise-client-urls=$ETCD \
    --listen-peer-urls=$ETCD_PEER --initial-advertise-peer-urls=$ETCD_PEER --initial-cluster=e0=$ETCD_PEER \
    --unsafe-no-fsync --auto-compaction-retention=1 --quota-backend-bytes=4294967296 --log-level=warn
  await etcd 30 in_namespace curl -fs $ETCD/health
}

start_apiserver() {
  start kube-apiserver kube-apiserver --bind-address="$IP" --advertise-address="$IP" --secure-port="$PORT" --etcd-servers=$ETCD \
    --service-cluster-ip-range="$SERVICE_CIDR" --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
    --client-ca-file="$PKI/ca.crt" --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" \
    --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$PKI/sa.pub" \
    --service-account-signing-key-file="$PKI/sa.key" \
    --kubelet-client-certificate="$PKI/apiserver-kubelet-client.crt" --kubelet-client-key="$PKI/apiserver-kubelet-client.key" \
    --kubelet-certificate-authority="$PKI/ca.crt" --kubelet-preferred-address-types=InternalIP \
    --requestheader-client-ca-file="$PKI/ca.crt" --requestheader-allowed-names=front-proxy-client \
    --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
    --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --proxy-client-cert-file="$PKI/front-proxy-client.crt" --proxy-client-key-file="$PKI/front-proxy-client.key" \
    --allow-privileged=true --profiling=false --event-ttl=2h --shutdown-delay-duration=0s \
    --audit-policy-file="$CONF/audit-policy.yaml" --audit-log-path="$AUDIT" --audit-log-maxsize=100 --audit-log-maxbackup=3
  await kube-apiserver 120 kubectl get --raw /readyz
}

start_controllers() {
  local manager=$PKI/kube-controller-manager.kubeconfig scheduler=$PKI/kube-scheduler.kubeconfig
  start kube-controller-manager kube-controller-manager --kubeconfig="$manager" --authentication-kubeconfig="$manager" \
    --authorization-kubeconfig="$manager" --bind-address=127.0.0.1 --leader-elect=false \
    --use-service-account-credentials=true --service-account-private-key-file="$PKI/sa.key" --root-ca-file="$PKI/ca.crt" \
    --cluster-signing-cert-file="$PKI/ca.crt" --cluster-signing-key-file="$PKI/ca.key" --client-ca-file="$PKI/ca.crt" \
    --requestheader-client-ca-file="$PKI/ca.crt" --allocate-node-cidrs=true --cluster-cidr="$POD_CIDR" \
    --service-cluster-ip-range="$SERVICE_CIDR" --node-cidr-mask-size=24
  start kube-scheduler kube-scheduler --kubeconfig="$scheduler" --authentication-kubeconfig="$scheduler" \
    --authorization-kubeconfig="$scheduler" --bind-address=127.0.0.1 --leader-elect=false
  await kube-controller-manager 60 in_namespace curl -fsk https://127.0.0.1:10257/healthz
  await kube-scheduler 60 in_namespace curl -fsk https://127.0.0.1:10259/healthz
  await 'the default service account' 60 kubectl -n default get serviceaccount default
}

start_provisioner() {
  kubectl apply -f "$CONF/storageclass.yaml" >/dev/null
  start provisioner python3 "$HERE/provisioner.py" "$ADMIN" "$DATA/pv" "$NODE"
}

control_plane_up() {
  start_etcd
  start_apiserver
  start_controllers
  start_provisioner
}

control_plane_down() {
  local name
  for name in provisioner kube-scheduler kube-controller-manager kube-apiserver etcd; do stop "$name"; done
}
