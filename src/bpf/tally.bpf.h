// Where measurements are added up: in the kernel, so that a connection costs no wake-up of ours.
// Both maps are bounded; what finds no room is lost and counted.
#pragma once

#include "bpf/kernel.bpf.h"

const volatile struct Settings settings;

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, kDistributionsMax);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct Series);
  __type(value, struct Distribution);
} distributions SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, kCountsMax);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct Series);
  __type(value, __u64);
} counts SEC(".maps");

__u64 lost = 0;

// Too large for BPF's stack of 512 bytes.
static const struct Distribution kEmpty;

static void observe(const struct Group* group, enum Measure measure, __u64 micros) {
  const struct Series key = {.group = *group, .what = measure};
  struct Distribution* at = bpf_map_lookup_elem(&distributions, &key);
  if (!at) {
    // Another CPU may be first, and then its entry is found below.
    bpf_map_update_elem(&distributions, &key, &kEmpty, BPF_NOEXIST);
    at = bpf_map_lookup_elem(&distributions, &key);
  }
  if (!at) {
    __sync_fetch_and_add(&lost, 1);
    return;
  }
  const __u32 slot = slot_of(micros);
  if (slot < kSlots) __sync_fetch_and_add(&at->slots[slot], 1);
  __sync_fetch_and_add(&at->sum_us, micros);
  __sync_fetch_and_add(&at->count, 1);
}

static void count(const struct Group* group, enum Event event, __u16 detail, __u64 by) {
  const struct Series key = {.group = *group, .what = event, .detail = detail};
  __u64* at = bpf_map_lookup_elem(&counts, &key);
  if (!at) {
    const __u64 none = 0;
    bpf_map_update_elem(&counts, &key, &none, BPF_NOEXIST);
    at = bpf_map_lookup_elem(&counts, &key);
  }
  if (at)
    __sync_fetch_and_add(at, by);
  else
    __sync_fetch_and_add(&lost, 1);
}

static __u64 micros_since(__u64 began_ns) {
  const __u64 now = bpf_ktime_get_ns();
  return now > began_ns ? (now - began_ns) / 1000 : 0;
}
