// What `penstock run` asks of the kernel: when the SYN of a connection that it dials left, how
// often, and when the answer came. Less than trace does, since every CONNECT pays for it.
#include "bpf/kernel.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
  __uint(type, BPF_MAP_TYPE_SK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct DialStamp);
} stamps SEC(".maps");

SEC("sockops")
int stamp(struct bpf_sock_ops* ctx) {
  const __u32 op = ctx->op;
  const bool begins = op == BPF_SOCK_OPS_TCP_CONNECT_CB;
  const bool repeats = op == BPF_SOCK_OPS_RETRANS_CB;
  if (!begins && !repeats && op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB) return 1;
  struct bpf_sock* socket = ctx->sk;
  if (!socket) return 1;
  struct DialStamp* at =
      bpf_sk_storage_get(&stamps, socket, 0, begins ? BPF_SK_STORAGE_GET_F_CREATE : 0);
  if (!at) return 1;
  if (begins) {
    at->began_ns = bpf_ktime_get_ns();
    bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_RETRANS_CB_FLAG);
  } else if (repeats) {
    at->syn_retransmits++;
  } else {
    at->established_ns = bpf_ktime_get_ns();
    bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags & ~BPF_SOCK_OPS_RETRANS_CB_FLAG);
  }
  return 1;
}
