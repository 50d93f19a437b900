// What `penstock run` asks of the kernel: when the SYN of a connection that it dials left, how
// often, and when the answer came. Less than trace does, since every CONNECT pays for it: an array
// in memory that the user side sees as well, by the socket's cookie, so that nothing is allocated
// beside the socket and nobody makes a system call to read it. Cookies are counted up, so
// neighbours in time do not collide.
#include "bpf/kernel.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct DialStamp stamps[kDialStamps];

SEC("sockops")
int stamp(struct bpf_sock_ops* ctx) {
  const __u32 op = ctx->op;
  const bool begins = op == BPF_SOCK_OPS_TCP_CONNECT_CB;
  const bool repeats = op == BPF_SOCK_OPS_RETRANS_CB;
  if (!begins && !repeats && op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB) return 1;
  const __u64 cookie = bpf_get_socket_cookie(ctx);
  struct DialStamp* at = &stamps[cookie % kDialStamps];
  if (begins) {
    at->cookie = cookie;
    at->established_ns = 0;
    at->syn_retransmits = 0;
    at->began_ns = bpf_ktime_get_ns();
    bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_RETRANS_CB_FLAG);
    return 1;
  }
  if (at->cookie == cookie) {
    if (repeats) {
      at->syn_retransmits++;
    } else {
      at->established_ns = bpf_ktime_get_ns();
    }
  }
  if (!repeats)
    bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags & ~BPF_SOCK_OPS_RETRANS_CB_FLAG);
  return 1;
}
