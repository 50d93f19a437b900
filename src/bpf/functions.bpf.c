// The kernel's own functions, watched. Each has one body here and two entry points: fentry, which
// the kernel jumps to, and kprobe, for kernels without it; one set is loaded. Reads go by
// bpf_probe_read_kernel(), which both may use.
//
// tcp_set_state() is where every state of a socket begins, so what a sock_ops program is told at
// ESTABLISHED and CLOSE is seen here at the same place.
#include "bpf/connection.bpf.h"
#include "bpf/owner.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

// By the address of the socket, which is given up when it closes.
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, kConnectionsMax);
  __type(key, __u64);
  __type(value, struct Connection);
} connections SEC(".maps");

// Ready to be accepted, and by whom is not known yet.
struct Waiting {
  __u64 syn_ns;
  __u64 ready_ns;
};

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, kConnectionsMax);
  __type(key, __u64);
  __type(value, struct Waiting);
} accept_queue SEC(".maps");

// The socket for which a thread is inside of connect(): a kretprobe is not told the arguments.
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 4096);
  __type(key, __u64);
  __type(value, __u64);
} connecting SEC(".maps");

static void read_group(struct sock* sk, enum Direction direction, struct Group* out) {
  const __u32 family = BPF_CORE_READ(sk, __sk_common.skc_family);
  const bool outgoing = direction == kOutgoing;
  __u32 address[4] = {};
  if (family == kInet) {
    address[0] = outgoing ? BPF_CORE_READ(sk, __sk_common.skc_daddr)
                          : BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
  } else if (outgoing) {
    BPF_CORE_READ_INTO(&address, sk, __sk_common.skc_v6_daddr);
  } else {
    BPF_CORE_READ_INTO(&address, sk, __sk_common.skc_v6_rcv_saddr);
  }
  const __u16 port = outgoing ? bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport))
                              : BPF_CORE_READ(sk, __sk_common.skc_num);
  *out = group_of(direction, family, address, port);
}

static bool is_below_cgroup(void) {
  return !settings.cgroup ||
         bpf_get_current_ancestor_cgroup_id(settings.cgroup_level) == settings.cgroup;
}

static void on_connect_called(struct sock* sk) {
  if (!is_below_cgroup() || !is_wanted()) return;
  const __u64 thread = bpf_get_current_pid_tgid();
  const __u64 key = (__u64)sk;
  bpf_map_update_elem(&connecting, &thread, &key, BPF_ANY);
}

// The socket is bound to its route, and its SYN is about to leave.
static void on_syn_sent(struct sock* sk) {
  const __u64 thread = bpf_get_current_pid_tgid();
  const __u64 key = (__u64)sk;
  const __u64* wanted = bpf_map_lookup_elem(&connecting, &thread);
  if (!wanted || *wanted != key) return;
  struct Connection connection = {.began_ns = bpf_ktime_get_ns(), .traced = 1};
  read_group(sk, kOutgoing, &connection.group);
  if (bpf_map_update_elem(&connections, &key, &connection, BPF_ANY)) __sync_fetch_and_add(&lost, 1);
}

// No route, no port: it failed before a SYN left.
static void on_connect_returns(int error) {
  const __u64 thread = bpf_get_current_pid_tgid();
  const __u64* wanted = bpf_map_lookup_elem(&connecting, &thread);
  if (!wanted) return;
  const __u64 key = *wanted;
  bpf_map_delete_elem(&connecting, &thread);
  if (error >= 0) return;
  struct Group group;
  read_group((struct sock*)key, kOutgoing, &group);
  count(&group, kConnectFailed, -error, 1);
  bpf_map_delete_elem(&connections, &key);
}

static void on_state(struct sock* sk, int state) {
  const __u64 key = (__u64)sk;
  struct Connection* connection = bpf_map_lookup_elem(&connections, &key);
  if (!connection) return;
  if (state == BPF_TCP_ESTABLISHED && !connection->established_ns) {
    established(connection);
  } else if (state == BPF_TCP_CLOSE) {
    const struct End end = {
        .state = BPF_CORE_READ(sk, __sk_common.skc_state),
        .error = BPF_CORE_READ(sk, sk_err),
        .srtt_us = BPF_CORE_READ((struct tcp_sock*)sk, srtt_us) >> 3,
        .min_rtt_us = BPF_CORE_READ((struct tcp_sock*)sk, rtt_min.s[0].v),
    };
    ended(connection, &end);
    bpf_map_delete_elem(&connections, &key);
  }
}

static void on_retransmit(struct sock* sk) {
  const __u64 key = (__u64)sk;
  struct Connection* connection = bpf_map_lookup_elem(&connections, &key);
  if (connection) retransmitted(connection, 1);
}

static void on_accept_ready(struct request_sock* request, struct sock* child) {
  const struct tcp_request_sock* tcp = (struct tcp_request_sock*)request;
  const struct Waiting waiting = {
      // Of the first SYN-ACK, which leaves at once behind the SYN.
      .syn_ns = BPF_CORE_READ(tcp, snt_synack) * 1000,
      .ready_ns = bpf_ktime_get_ns(),
  };
  const __u64 key = (__u64)child;
  if (bpf_map_update_elem(&accept_queue, &key, &waiting, BPF_ANY)) __sync_fetch_and_add(&lost, 1);
}

// Whose connection it is, is known once somebody takes it.
static void on_accepted(struct sock* child) {
  const __u64 key = (__u64)child;
  const struct Waiting* found = child ? bpf_map_lookup_elem(&accept_queue, &key) : 0;
  if (!found) return;
  const struct Waiting waiting = *found;
  bpf_map_delete_elem(&accept_queue, &key);
  if (!is_below_cgroup() || !is_wanted()) return;
  struct Connection connection = {
      .began_ns = waiting.syn_ns, .established_ns = waiting.ready_ns, .traced = 1};
  read_group(child, kIncoming, &connection.group);
  if (waiting.syn_ns && waiting.ready_ns > waiting.syn_ns)
    observe(&connection.group, kHandshake, (waiting.ready_ns - waiting.syn_ns) / 1000);
  observe(&connection.group, kAcceptQueue, micros_since(waiting.ready_ns));
  count(&connection.group, kEstablished, 0, 1);
  if (bpf_map_update_elem(&connections, &key, &connection, BPF_ANY)) __sync_fetch_and_add(&lost, 1);
}

// The entry points.

SEC("fentry/tcp_v4_connect")
int BPF_PROG(enter_connect_v4, struct sock* sk) {
  on_connect_called(sk);
  return 0;
}

SEC("kprobe/tcp_v4_connect")
int BPF_KPROBE(probe_connect_v4, struct sock* sk) {
  on_connect_called(sk);
  return 0;
}

SEC("fentry/tcp_v6_connect")
int BPF_PROG(enter_connect_v6, struct sock* sk) {
  on_connect_called(sk);
  return 0;
}

SEC("kprobe/tcp_v6_connect")
int BPF_KPROBE(probe_connect_v6, struct sock* sk) {
  on_connect_called(sk);
  return 0;
}

SEC("fexit/tcp_v4_connect")
int BPF_PROG(leave_connect_v4, struct sock* sk, void* address, int length, int error) {
  on_connect_returns(error);
  return 0;
}

SEC("kretprobe/tcp_v4_connect")
int BPF_KRETPROBE(return_connect_v4, int error) {
  on_connect_returns(error);
  return 0;
}

SEC("fexit/tcp_v6_connect")
int BPF_PROG(leave_connect_v6, struct sock* sk, void* address, int length, int error) {
  on_connect_returns(error);
  return 0;
}

SEC("kretprobe/tcp_v6_connect")
int BPF_KRETPROBE(return_connect_v6, int error) {
  on_connect_returns(error);
  return 0;
}

SEC("fentry/tcp_connect")
int BPF_PROG(enter_syn_sent, struct sock* sk) {
  on_syn_sent(sk);
  return 0;
}

SEC("kprobe/tcp_connect")
int BPF_KPROBE(probe_syn_sent, struct sock* sk) {
  on_syn_sent(sk);
  return 0;
}

SEC("fentry/tcp_set_state")
int BPF_PROG(enter_set_state, struct sock* sk, int state) {
  on_state(sk, state);
  return 0;
}

SEC("kprobe/tcp_set_state")
int BPF_KPROBE(probe_set_state, struct sock* sk, int state) {
  on_state(sk, state);
  return 0;
}

SEC("fentry/tcp_retransmit_skb")
int BPF_PROG(enter_retransmit, struct sock* sk) {
  on_retransmit(sk);
  return 0;
}

SEC("kprobe/tcp_retransmit_skb")
int BPF_KPROBE(probe_retransmit, struct sock* sk) {
  on_retransmit(sk);
  return 0;
}

// What puts it into the queue is inlined by the compiler; its caller is not.
SEC("fentry/inet_csk_complete_hashdance")
int BPF_PROG(enter_accept_ready, struct sock* listener, struct sock* child,
             struct request_sock* request, bool is_ours) {
  if (is_ours) on_accept_ready(request, child);
  return 0;
}

SEC("kprobe/inet_csk_complete_hashdance")
int BPF_KPROBE(probe_accept_ready, struct sock* listener, struct sock* child,
               struct request_sock* request, bool is_ours) {
  if (is_ours) on_accept_ready(request, child);
  return 0;
}

// Linux 6.10 gave it fewer arguments, so its answer is asked for rather than counted to.
SEC("fexit/inet_csk_accept")
int leave_accept(void* ctx) {
  __u64 child = 0;
  bpf_get_func_ret(ctx, &child);
  on_accepted((struct sock*)child);
  return 0;
}

SEC("kretprobe/inet_csk_accept")
int BPF_KRETPROBE(return_accept, struct sock* child) {
  on_accepted(child);
  return 0;
}
