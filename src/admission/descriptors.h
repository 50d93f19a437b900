// How many connections a number of file descriptors can carry.
#pragma once

#include <cstdint>

namespace penstock::admission {

struct DescriptorBudget {
  uint64_t seats;             // connections: two descriptors each
  uint64_t pipes_per_worker;  // pipes for splicing: two descriptors each
};

// `nofile`: RLIMIT_NOFILE. Kept back: what listeners, admin, log and each worker's loop and
// resolver need (a quarter at most, so that a small limit still carries connections), and a
// sixteenth for pipes; without a pipe a tunnel copies, without a descriptor a connection fails, so
// pipes get the smaller part.
constexpr DescriptorBudget descriptor_budget(uint64_t nofile, uint64_t workers) {
  const uint64_t wanted = 64 + workers * 80;
  const uint64_t reserve = wanted < nofile / 4 ? wanted : nofile / 4;
  const uint64_t pipes = nofile / 16;
  const uint64_t rest = nofile > reserve + pipes ? nofile - reserve - pipes : 0;
  const uint64_t per_worker = pipes / 2 / workers;
  return {rest / 2 > 1 ? rest / 2 : 1, per_worker > 2 ? per_worker : 2};
}

// `limits.pending: auto`: how many of the seats may be set-ups that are pending.
constexpr uint64_t permits_for(uint64_t seats) {
  return seats / 4 > 16 ? seats / 4 : 16;
}

}  // namespace penstock::admission
