// Handshakes by the packets of one interface: XDP sees what comes in before anything else does, tc
// what goes out after everything else has. No process is known here, only addresses and ports.
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>

#include "bpf/group.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

// One handshake, seen from this machine.
struct Pair {
  __u32 near[4];
  __u32 far[4];
  __u16 near_port;  // network order
  __u16 far_port;
  __u32 direction;
};

struct HalfOpen {
  __u64 syn_ns;
  __u32 answered;  // our SYN-ACK has left
};

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, kConnectionsMax);
  __type(key, struct Pair);
  __type(value, struct HalfOpen);
} half_open SEC(".maps");

struct Packet {
  struct Pair pair;
  __u32 family;
  bool syn, ack, rst;
};

// False: no TCP segment that can be read whole. Extension headers of IPv6 are not followed.
static bool read_packet(void* data, void* end, bool comes_in, struct Packet* out) {
  struct ethhdr* frame = data;
  if ((void*)(frame + 1) > end) return false;
  struct tcphdr* tcp;
  __u32 source[4] = {}, target[4] = {};
  if (frame->h_proto == bpf_htons(ETH_P_IP)) {
    struct iphdr* ip = (void*)(frame + 1);
    if ((void*)(ip + 1) > end || ip->protocol != 6 || (ip->frag_off & bpf_htons(0x1fff)))
      return false;
    tcp = (void*)ip + ip->ihl * 4;
    source[0] = ip->saddr;
    target[0] = ip->daddr;
    out->family = kInet;
  } else if (frame->h_proto == bpf_htons(ETH_P_IPV6)) {
    struct ipv6hdr* ip = (void*)(frame + 1);
    if ((void*)(ip + 1) > end || ip->nexthdr != 6) return false;
    tcp = (void*)(ip + 1);
    __builtin_memcpy(source, &ip->saddr, sizeof(source));
    __builtin_memcpy(target, &ip->daddr, sizeof(target));
    out->family = kInet6;
  } else {
    return false;
  }
  if ((void*)(tcp + 1) > end) return false;
  struct Pair* pair = &out->pair;
  __builtin_memcpy(pair->near, comes_in ? target : source, sizeof(source));
  __builtin_memcpy(pair->far, comes_in ? source : target, sizeof(source));
  pair->near_port = comes_in ? tcp->dest : tcp->source;
  pair->far_port = comes_in ? tcp->source : tcp->dest;
  out->syn = tcp->syn;
  out->ack = tcp->ack;
  out->rst = tcp->rst;
  return true;
}

static struct Group packet_group(const struct Packet* packet, enum Direction direction) {
  const struct Pair* pair = &packet->pair;
  const bool outgoing = direction == kOutgoing;
  return group_of(direction, packet->family, outgoing ? pair->far : pair->near,
                  bpf_ntohs(outgoing ? pair->far_port : pair->near_port));
}

// A SYN: the first begins a handshake, a further one repeats it. One that comes in again is the
// other side's retransmission, and is not counted as ours.
static void on_syn(struct Packet* packet, enum Direction direction) {
  packet->pair.direction = direction;
  const struct HalfOpen fresh = {.syn_ns = bpf_ktime_get_ns()};
  if (!bpf_map_update_elem(&half_open, &packet->pair, &fresh, BPF_NOEXIST)) return;
  if (direction == kIncoming) return;
  const struct Group group = packet_group(packet, direction);
  count(&group, kSynRetransmitted, 0, 1);
}

static void on_syn_ack_out(struct Packet* packet) {
  packet->pair.direction = kIncoming;
  struct HalfOpen* found = bpf_map_lookup_elem(&half_open, &packet->pair);
  if (!found) return;
  const struct Group group = packet_group(packet, kIncoming);
  if (found->answered) count(&group, kSynRetransmitted, 0, 1);
  found->answered = 1;
}

// The SYN-ACK of ours, or the client's ACK of its: the handshake has succeeded.
static void on_answer(struct Packet* packet, enum Direction direction) {
  packet->pair.direction = direction;
  struct HalfOpen* found = bpf_map_lookup_elem(&half_open, &packet->pair);
  if (!found || (direction == kIncoming && !found->answered)) return;
  const __u64 micros = micros_since(found->syn_ns);
  bpf_map_delete_elem(&half_open, &packet->pair);
  const struct Group group = packet_group(packet, direction);
  observe(&group, direction == kOutgoing ? kConnect : kHandshake, micros);
  count(&group, kEstablished, 0, 1);
}

// Behind a handshake the state is not known, and said to be established.
static void on_reset(struct Packet* packet, enum Event event) {
  __u32 direction = kOutgoing;
  packet->pair.direction = direction;
  bool half = !bpf_map_delete_elem(&half_open, &packet->pair);
  if (!half) {
    packet->pair.direction = kIncoming;
    half = !bpf_map_delete_elem(&half_open, &packet->pair);
    if (half) direction = kIncoming;
  }
  const struct Group group = packet_group(packet, direction);
  const __u16 state = !half                    ? BPF_TCP_ESTABLISHED
                      : direction == kOutgoing ? BPF_TCP_SYN_SENT
                                               : BPF_TCP_SYN_RECV;
  count(&group, event, state, 1);
  if (half && direction == kOutgoing && event == kResetReceived)
    count(&group, kConnectFailed, kErrConnectionRefused, 1);
}

SEC("xdp")
int packet_in(struct xdp_md* ctx) {
  struct Packet packet = {};
  if (!read_packet((void*)(long)ctx->data, (void*)(long)ctx->data_end, true, &packet))
    return XDP_PASS;
  if (packet.rst)
    on_reset(&packet, kResetReceived);
  else if (packet.syn && packet.ack)
    on_answer(&packet, kOutgoing);
  else if (packet.syn)
    on_syn(&packet, kIncoming);
  else if (packet.ack)
    on_answer(&packet, kIncoming);
  return XDP_PASS;
}

SEC("tc")
int packet_out(struct __sk_buff* ctx) {
  struct Packet packet = {};
  if (!read_packet((void*)(long)ctx->data, (void*)(long)ctx->data_end, false, &packet))
    return TC_ACT_UNSPEC;
  if (packet.rst)
    on_reset(&packet, kResetSent);
  else if (packet.syn && packet.ack)
    on_syn_ack_out(&packet);
  else if (packet.syn)
    on_syn(&packet, kOutgoing);
  return TC_ACT_UNSPEC;
}
