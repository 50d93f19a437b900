// The one page that the kernel side (x.bpf.c) and the user side share: what is measured, in which
// slots, and under which key. C and C++ both read it, so that neither mirrors the other by hand.
//
// A latency falls into slots as in load/histogram.h, coarser: 16 per power of two, so a value read
// back is within 6.3 % of what was measured; its sum and count are exact. From 1 us to 71 minutes;
// longer ones stay in the last slot.
#pragma once

#include <linux/types.h>

#ifdef __cplusplus
namespace penstock::bpf {
#endif

enum Direction { kOutgoing, kIncoming };

// Distributions, in microseconds.
enum Measure {
  kConnect,      // outgoing: SYN sent to SYN-ACK received
  kHandshake,    // incoming: SYN received to ready to be accepted
  kAcceptQueue,  // incoming: ready to accepted
  kSmoothedRtt,  // of a connection, at its end
  kMinRtt,       // likewise
  kLifetime,     // established to closed
  kMeasures
};

// Counters. Some have a detail: a TCP state, or an errno.
enum Event {
  kEstablished,
  kSynRetransmitted,      // outgoing: our SYN; incoming: our SYN-ACK
  kSegmentRetransmitted,  // once established
  kResetSent,             // detail: the state it was sent in
  kResetReceived,         // detail: the state it came in
  kConnectFailed,         // detail: errno
  kEvents
};

// What is told apart: with `--by destination` the far end of outgoing connections and the near end
// of incoming ones, otherwise the direction alone.
struct Group {
  __u8 address[16];  // network order; IPv4 in the first four
  __u16 port;        // host order
  __u8 family;       // 4, 6, or 0: any
  __u8 direction;
};

struct Series {
  struct Group group;
  __u16 what;    // a Measure or an Event
  __u16 detail;  // 0 where there is none
};

enum {
  kSlotBits = 4,
  kSlots = (32 - kSlotBits + 1) << kSlotBits,
  kDistributionsMax = 4096,  // 7.6 MiB when full
  kCountsMax = 16384,
  kConnectionsMax = 65536,  // half-open, or watched by functions; the least recently used goes
};

struct Distribution {
  __u64 count;
  __u64 sum_us;
  __u32 slots[kSlots];
};

// What a program is told before it is loaded.
struct Settings {
  __u64 cgroup;         // only tasks below the cgroup of this id; 0: all
  __u32 cgroup_level;   // how deep it lies; 0: the root
  __u32 pid;            // only this process and its children; 0: all
  __u32 pid_namespace;  // where `pid` is counted: the inode of its /proc/PID/ns/pid
  __u8 by_name;         // only processes of this name, and their children
  __u8 by_destination;
  char name[16];
};

// A connection while it lives.
struct Connection {
  __u64 began_ns;        // SYN sent or received; 0: not known
  __u64 established_ns;  // 0: not yet
  struct Group group;
  __u32 traced;  // belongs to whom we trace; a listener hands it on to what it accepts
};

// Of a connection that `penstock run` dialled. Whoever comes kDialStamps sockets later has its
// place.
struct DialStamp {
  __u64 cookie;  // of its socket
  __u64 began_ns;
  __u64 established_ns;
  __u64 syn_retransmits;
};
enum { kDialStamps = 16384 };

static inline __u32 slot_of(__u64 micros) {
  const __u32 value = micros > 0xffffffff ? 0xffffffff : (__u32)micros;
  __u32 width = 0;  // the position of the leading one; no loop, and no instruction BPF lacks
  __u32 rest = value;
  for (__u32 step = 16; step > 0; step >>= 1) {
    if (rest >> step) {
      rest >>= step;
      width += step;
    }
  }
  if (width < kSlotBits) return value;
  const __u32 shift = width - kSlotBits;
  return (shift << kSlotBits) + (value >> shift);
}

// The highest value that falls into a slot.
static inline __u64 upper_edge(__u32 slot) {
  const __u32 row = 1u << kSlotBits;
  if (slot < 2 * row) return slot;
  const __u32 shift = slot / row - 1;
  return ((((__u64)row + slot % row) + 1) << shift) - 1;
}

#ifdef __cplusplus
}  // namespace penstock::bpf
#endif
