// How many connections there is room for: what the descriptors can carry, and what the memory can,
// whichever is less.
// Pure.
#pragma once

#include <algorithm>
#include <cstdint>

#include "admission/descriptors.h"

namespace penstock::admission {

struct Means {
  uint64_t descriptors = 0;  // RLIMIT_NOFILE
  uint64_t memory = 0;       // bytes; 0: no limit
  uint64_t workers = 1;
};

struct Room {
  uint64_t seats = 1;
  uint64_t pipes_per_worker = 2;
  bool bounded_by_memory = false;  // of the seats
};

// An idle tunnel takes 1 KiB of ours, 15 more where it came by TLS, and 10 KiB of the kernel's for
// its two sockets (docs/performance.md, "Memory of a seat"); the rest is for a head of 16 KiB that
// is being read, or for bytes that are on their way. What moving tunnels take beyond that shows
// while running (memory.h).
inline constexpr uint64_t kSeatBytes = 32 * 1024;
// A pipe that is full (tunnel/pipe_pool.h).
inline constexpr uint64_t kPipeBytes = 1 << 20;
// The program, and for each worker its log ring, its buffer and its cache of names.
inline constexpr uint64_t kBaseBytes = 16 << 20;
inline constexpr uint64_t kBaseBytesPerWorker = 4 << 20;

// Of the memory, a tenth stays free, since set-ups are refused from there on; of what the process
// does not need for itself (half at most), a quarter is for pipes: without a pipe a tunnel copies,
// without memory a connection fails.
constexpr Room room_for(const Means& means) {
  const DescriptorBudget by_descriptors = descriptor_budget(means.descriptors, means.workers);
  Room out{by_descriptors.seats, by_descriptors.pipes_per_worker, false};
  if (means.memory == 0) return out;
  const uint64_t usable = means.memory / 10 * 9;
  const uint64_t base = std::min(kBaseBytes + kBaseBytesPerWorker * means.workers, usable / 2);
  const uint64_t rest = usable - base;
  const uint64_t pipes = rest / 4 / kPipeBytes / means.workers;
  out.pipes_per_worker = std::min(out.pipes_per_worker, std::max<uint64_t>(pipes, 2));
  const uint64_t seats = std::max<uint64_t>(rest / 4 * 3 / kSeatBytes, 1);
  out.bounded_by_memory = seats < out.seats;
  out.seats = std::min(out.seats, seats);
  return out;
}

}  // namespace penstock::admission
