# What the other cases build on is in this kernel.
# Programs: ip tc
# Modules: veth sch_netem tls
. /vm/case.sh

symbol() {
  grep -q " $1\$" /proc/kallsyms
}

check "the kernel describes its types (BTF)" test -s /sys/kernel/btf/vmlinux
check "kprobes can be made" test -w /sys/kernel/tracing/kprobe_events
check "uprobes can be made" test -w /sys/kernel/tracing/uprobe_events
check "functions can be traced (fentry)" \
  grep -q "^tcp_v4_connect" /sys/kernel/tracing/available_filter_functions
for name in tcp_v4_connect tcp_v6_connect tcp_rcv_state_process inet_csk_accept; do
  check "the kernel has $name" symbol $name
done
check "BPF has a file system" grep -q ' /sys/fs/bpf bpf ' /proc/mounts
check "cgroups are of version 2" test -f /sys/fs/cgroup/cgroup.controllers

kprobe() {
  echo "p:connects tcp_v4_connect" >/sys/kernel/tracing/kprobe_events &&
    grep -q connects /sys/kernel/tracing/kprobe_events &&
    echo >/sys/kernel/tracing/kprobe_events
}
check "a kprobe can be set on tcp_v4_connect" kprobe

for module in veth sch_netem tls; do
  check "module $module is loaded" grep -q "^$module " /proc/modules
done
netem() {
  tc qdisc add dev lo root netem delay 40ms && tc qdisc show dev lo | grep -q 'netem.*delay 40ms' &&
    tc qdisc del dev lo root
}
check "netem delays what passes lo" netem
