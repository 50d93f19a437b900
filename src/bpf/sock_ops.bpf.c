// The kernel calls this program at the steps of each TCP socket of a cgroup. No function is
// patched, so it loads where kprobes and fentry are not permitted; it sees no accept().
//
// The Connection lives with its socket and dies with it.
#include "bpf/connection.bpf.h"
#include "bpf/owner.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

// A listener that is traced hands its mark to the sockets it makes (BPF_F_CLONE).
struct {
  __uint(type, BPF_MAP_TYPE_SK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
  __type(key, int);
  __type(value, struct Connection);
} connections SEC(".maps");

// When the first SYN of a half-open connection came, by its cookie, which the socket keeps. A flood
// of SYNs pushes out the oldest.
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, kConnectionsMax);
  __type(key, __u64);
  __type(value, __u64);
} half_open SEC(".maps");

static struct Connection* connection_of(struct bpf_sock_ops* ctx, bool make) {
  struct bpf_sock* socket = ctx->sk;
  if (!socket) return 0;
  return bpf_sk_storage_get(&connections, socket, 0, make ? BPF_SK_STORAGE_GET_F_CREATE : 0);
}

static void read_group(struct bpf_sock_ops* ctx, enum Direction direction, struct Group* out) {
  const __u32 family = ctx->family;
  const bool outgoing = direction == kOutgoing;
  __u32 address[4] = {};
  if (family == kInet) {
    address[0] = outgoing ? ctx->remote_ip4 : ctx->local_ip4;
  } else if (outgoing) {
    address[0] = ctx->remote_ip6[0];
    address[1] = ctx->remote_ip6[1];
    address[2] = ctx->remote_ip6[2];
    address[3] = ctx->remote_ip6[3];
  } else {
    address[0] = ctx->local_ip6[0];
    address[1] = ctx->local_ip6[1];
    address[2] = ctx->local_ip6[2];
    address[3] = ctx->local_ip6[3];
  }
  const __u16 port = outgoing ? bpf_ntohl(ctx->remote_port) : ctx->local_port;
  *out = group_of(direction, family, address, port);
}

static void follow(struct bpf_sock_ops* ctx) {
  bpf_sock_ops_cb_flags_set(
      ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG | BPF_SOCK_OPS_RETRANS_CB_FLAG);
}

static void on_connect(struct bpf_sock_ops* ctx) {
  if (!is_wanted()) return;
  struct Connection* connection = connection_of(ctx, true);
  if (!connection) {
    __sync_fetch_and_add(&lost, 1);
    return;
  }
  connection->traced = 1;
  connection->began_ns = bpf_ktime_get_ns();
  connection->established_ns = 0;
  read_group(ctx, kOutgoing, &connection->group);
  follow(ctx);
}

static void on_listen(struct bpf_sock_ops* ctx) {
  if (!is_wanted()) return;
  struct Connection* listener = connection_of(ctx, true);
  if (listener) listener->traced = 1;
}

// The timeout of a new handshake is asked for when its SYN has come.
static void on_syn(struct bpf_sock_ops* ctx) {
  if (ctx->is_fullsock) return;
  const __u64 cookie = bpf_get_socket_cookie(ctx);
  const __u64 now = bpf_ktime_get_ns();
  bpf_map_update_elem(&half_open, &cookie, &now, BPF_NOEXIST);
}

static void on_accept_ready(struct bpf_sock_ops* ctx) {
  const __u64 cookie = bpf_get_socket_cookie(ctx);
  const __u64* syn = bpf_map_lookup_elem(&half_open, &cookie);
  const __u64 began_ns = syn ? *syn : 0;
  if (syn) bpf_map_delete_elem(&half_open, &cookie);
  struct Connection* connection = connection_of(ctx, !settings.pid && !settings.by_name);
  if (!connection) return;
  connection->began_ns = began_ns;
  read_group(ctx, kIncoming, &connection->group);
  established(connection);
  follow(ctx);
}

static void on_close(struct bpf_sock_ops* ctx, struct Connection* connection) {
  struct End end = {
      .state = ctx->args[0], .srtt_us = ctx->srtt_us >> 3, .min_rtt_us = ctx->rtt_min};
  struct bpf_sock* socket = ctx->sk;
  struct sock* full = socket ? (struct sock*)bpf_skc_to_tcp_sock(socket) : 0;
  if (full) end.error = full->sk_err;
  ended(connection, &end);
}

// The reply is left as it is: other programs on the cgroup may have set it.
SEC("sockops")
int watch(struct bpf_sock_ops* ctx) {
  const __u32 op = ctx->op;
  if (op == BPF_SOCK_OPS_TIMEOUT_INIT) {
    on_syn(ctx);
  } else if (op == BPF_SOCK_OPS_TCP_CONNECT_CB) {
    on_connect(ctx);
  } else if (op == BPF_SOCK_OPS_TCP_LISTEN_CB) {
    on_listen(ctx);
  } else if (op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB) {
    on_accept_ready(ctx);
  } else {
    const bool later = op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB || op == BPF_SOCK_OPS_RETRANS_CB ||
                       op == BPF_SOCK_OPS_STATE_CB;
    struct Connection* connection = later ? connection_of(ctx, false) : 0;
    if (!connection) return 1;
    if (op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB) established(connection);
    if (op == BPF_SOCK_OPS_RETRANS_CB) retransmitted(connection, ctx->args[1]);
    if (op == BPF_SOCK_OPS_STATE_CB && ctx->args[1] == BPF_TCP_CLOSE) on_close(ctx, connection);
  }
  return 1;
}
