// Who has to go when somebody had to be refused, in this order: new set-ups first, at once and
// always; then, where the owner has allowed it (overload.close_idle), tunnels in which nothing
// moves, longest silence first; active ones never. Here is how many of the silent ones, and whose.
// Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/time.h"

namespace penstock::admission {

// What happened in the last second.
struct Refused {
  uint64_t for_seats = 0;   // told that no seat or descriptor is left
  uint64_t for_memory = 0;  // told that memory is short
};

// Idle tunnels to close, so that as many as were refused, and an eighth more, find room when they
// come again. `seats_free`: what is free by now, which nobody need make.
uint64_t idle_to_close(const Refused& refused, uint64_t seats_free);

// How many each worker closes, so that together they close the `wanted` longest silences.
// `silent_since`: for each worker, when its silences began, longest first.
std::vector<uint64_t> shares_of(std::span<const std::vector<Instant>> silent_since,
                                uint64_t wanted);

}  // namespace penstock::admission
