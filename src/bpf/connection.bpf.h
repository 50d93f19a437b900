// The life of one connection, as all back ends tell it. They differ in where they learn of a step
// and in where they keep the Connection meanwhile; what a step means stands here, once.
#pragma once

#include "bpf/group.bpf.h"

static void established(struct Connection* connection) {
  const struct Group* group = &connection->group;
  connection->established_ns = bpf_ktime_get_ns();
  if (connection->began_ns) {
    observe(group, group->direction == kOutgoing ? kConnect : kHandshake,
            micros_since(connection->began_ns));
  }
  count(group, kEstablished, 0, 1);
}

static void retransmitted(struct Connection* connection, __u64 segments) {
  count(&connection->group, connection->established_ns ? kSegmentRetransmitted : kSynRetransmitted,
        0, segments);
}

// What a socket knows of its connection when that ends.
struct End {
  __u32 state;  // before
  int error;    // sk_err
  __u32 srtt_us;
  __u32 min_rtt_us;
};

// In these a socket that is closed with something left undone sends a reset (tcp_need_reset()).
static bool resets_when_cut(__u32 state) {
  return state == BPF_TCP_ESTABLISHED || state == BPF_TCP_CLOSE_WAIT ||
         state == BPF_TCP_FIN_WAIT1 || state == BPF_TCP_SYN_RECV;
}

// The kernel notes the error of a reset before it closes the socket (tcp_reset()), and that of a
// reset which we send after it (tcp_disconnect(), tcp_close()): then there is none yet.
static void ended(struct Connection* connection, const struct End* end) {
  const struct Group* group = &connection->group;
  const bool was_reset = end->error == kErrConnectionReset || end->error == kErrBrokenPipe ||
                         (end->error == kErrConnectionRefused && end->state == BPF_TCP_SYN_SENT);
  if (was_reset)
    count(group, kResetReceived, end->state, 1);
  else if (!end->error && resets_when_cut(end->state))
    count(group, kResetSent, end->state, 1);
  // Without an error it was given up by its own side: no failure of the network.
  if (end->state == BPF_TCP_SYN_SENT && end->error) count(group, kConnectFailed, end->error, 1);
  if (!connection->established_ns) return;
  observe(group, kLifetime, micros_since(connection->established_ns));
  if (end->srtt_us) observe(group, kSmoothedRtt, end->srtt_us);
  // The kernel's word for "none yet" is ~0.
  if (end->min_rtt_us && end->min_rtt_us != ~0u) observe(group, kMinRtt, end->min_rtt_us);
}
