#!/bin/bash
# The first process of the node's PID namespace, in network and mount namespaces of its own. When it ends, the
# kernel ends every process of the node, and with the last of them all that is mounted here is gone.
#
# FOLDER of the node on the host, ADDRESS of the node, CGROUP; TOOLS, KUBERNETES, STORE: folders of the cache.
set -euo pipefail
NODE=$FOLDER/node   # what the node writes: in memory, and seen by the node only
LOG=$FOLDER/log

mount() { command mount -n "$@"; }      # without notes in the host's /run/mount
note() { echo "$EPOCHREALTIME $*"; }
run() { local name=$1; shift; "$@" > "$LOG/$name.log" 2>&1 & }
until_() { until "$@" > /dev/null 2>&1; do sleep 0.05; done; }

# not by kubectl, whose start takes longer than all else that is waited for here
api_ready() {
  printf 'GET /readyz HTTP/1.0\r\n\r\n' | timeout 5 openssl s_client -quiet -connect "$ADDRESS:6443" | grep -q ' 200 OK'
}

mounts() {
  mount -t tmpfs -o mode=755,size=80% node "$NODE"
  mkdir -p "$NODE"/{tools,kubernetes,containerd,cni,no-registries,volume-plugins,kubelet,logs,sysctl}
  mount --bind "$TOOLS" "$NODE/tools"
  mount --bind "$KUBERNETES" "$NODE/kubernetes"
  cp -a "$STORE" "$NODE/containerd/root"   # with the images that containerd has taken in
  # an empty /run and /var, so that nothing is written to the host's; our own folder stays where it is
  mount -t tmpfs keep /mnt
  mkdir /mnt/keep && mount --rbind "$FOLDER" /mnt/keep
  mount -t tmpfs -o mode=755 run /run
  mount -t tmpfs -o mode=755 var /var
  mkdir -p "$FOLDER" /var/lib/kubelet /var/lib/cni /var/log/containers
  mount --move /mnt/keep "$FOLDER"
  umount -n /mnt
  # containerd, runc, the plugins and iptables as if they were installed
  mount -t overlay -o "lowerdir=$NODE/tools/usr:/usr" usr /usr
  # kubelet sets these, and they are the whole host's: it gets files of its own
  for setting in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops; do
    cat "/proc/sys/$setting" > "$NODE/sysctl/${setting#*/}"
    mount --bind "$NODE/sysctl/${setting#*/}" "/proc/sys/$setting"
  done
  mount --make-rshared /
}

network() {
  ip link set lo up
  ip addr add "$ADDRESS/24" dev uplink
  ip link set uplink up
  # leads nowhere: it only lets the node itself reach the addresses of Services
  ip route add default via "${ADDRESS%.*}.254" dev uplink
  echo 1 > /proc/sys/net/ipv4/ip_forward
  echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables
  # an attempt to reach a pod that is gone would poison later ones from the same port for two minutes
  echo 2 > /proc/sys/net/netfilter/nf_conntrack_tcp_timeout_syn_sent
  # users come from one address: of what a Service without endpoints refuses, one a second would be told so
  echo 0 > /proc/sys/net/ipv4/icmp_ratelimit
  # what dead processes still had to send would keep the namespace, and the host's end of the cable, for minutes
  echo 1 > /proc/sys/net/ipv4/tcp_orphan_retries
}

control_plane() {
  local pki=$FOLDER/pki
  run etcd "$KUBERNETES/etcd" "$FOLDER/etcd.yaml"
  run kube-apiserver "$KUBERNETES/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 \
    --advertise-address="$ADDRESS" --secure-port=6443 --service-cluster-ip-range=10.96.0.0/16 \
    --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
    --client-ca-file="$pki/ca.crt" --token-auth-file="$pki/tokens.csv" \
    --authorization-mode=Node,RBAC --allow-privileged --profiling=false --event-ttl=30m \
    --service-account-issuer=https://kubernetes.default.svc \
    --service-account-key-file="$pki/service-accounts.pub" --service-account-signing-key-file="$pki/service-accounts.key" \
    --kubelet-client-certificate="$pki/apiserver-kubelet.crt" --kubelet-client-key="$pki/apiserver-kubelet.key" \
    --kubelet-certificate-authority="$pki/ca.crt" --kubelet-preferred-address-types=InternalIP
  until_ api_ready
  note "the API server is ready"
  # with its own limit of 20 requests per second the controller manager takes five seconds longer to start
  run kube-controller-manager "$KUBERNETES/kube-controller-manager" --kubeconfig="$pki/kube-controller-manager.kubeconfig" \
    --bind-address=127.0.0.1 --leader-elect=false --use-service-account-credentials=true --profiling=false \
    --service-account-private-key-file="$pki/service-accounts.key" --root-ca-file="$pki/ca.crt" \
    --kube-api-qps=200 --kube-api-burst=400
  run kube-scheduler "$KUBERNETES/kube-scheduler" --kubeconfig="$pki/kube-scheduler.kubeconfig" \
    --bind-address=127.0.0.1 --leader-elect=false --profiling=false
}

worker() {
  run kube-proxy "$KUBERNETES/kube-proxy" --config="$FOLDER/kube-proxy.yaml"
  run kubelet "$KUBERNETES/kubelet" --config="$FOLDER/kubelet.yaml" --kubeconfig="$FOLDER/pki/kubelet.kubeconfig" \
    --root-dir="$NODE/kubelet" --cert-dir="$NODE/kubelet/pki" --hostname-override=node1 --node-ip="$ADDRESS"
}

note "waiting for the cable"
read -r   # until the other end of the cable is there
mounts
KUBERNETES=$NODE/kubernetes
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=$NODE KUBECACHEDIR=$NODE/kubectl-cache
cp "$FOLDER/cni.conflist" "$NODE/cni/10-pods.conflist"
network
note "namespaces are furnished"
run containerd containerd --config "$FOLDER/containerd.toml"
control_plane
worker
note "all are started"
trap 'exit 0' TERM INT
while :; do wait -n 2> /dev/null || sleep 1; done   # takes up orphans, such as the children of shims
