// Which group a connection belongs to.
#pragma once

#include "bpf/tally.bpf.h"

static bool hides_v4(const __u32* address) {
  return address[0] == 0 && address[1] == 0 && address[2] == bpf_htonl(0xffff);
}

// `address`: one or four words in network order, as `family` says; `port`: host order. An IPv4
// address within an IPv6 one is the same destination.
static struct Group group_of(enum Direction direction, __u32 family, const __u32* address,
                             __u16 port) {
  struct Group group = {.direction = direction};
  if (!settings.by_destination) return group;
  __u32* out = (__u32*)group.address;
  group.port = port;
  group.family = 4;
  if (family == kInet) {
    out[0] = address[0];
  } else if (hides_v4(address)) {
    out[0] = address[3];
  } else {
    group.family = 6;
    for (int i = 0; i < 4; i++) out[i] = address[i];
  }
  return group;
}
