// What the door knows of one destination: how much it bears, whether it answers, who waits for it.
// Thread: whoever holds the door's lock.
#pragma once

#include <cstdint>
#include <string>

#include "admission/breaker.h"
#include "admission/limit.h"
#include "admission/rate.h"
#include "admission/waiting_room.h"
#include "base/list.h"

namespace penstock::admission {

// Linked while nobody is on the way to it.
struct Destination : ListNode {
  Destination(const LimitSettings& settings, uint64_t seed) : limit(settings), breaker(seed) {}

  bool in_use() const { return taken > 0 || room.size() > 0; }

  const std::string* authority = nullptr;  // the key that it is found by
  AdaptiveLimit limit;
  Breaker breaker;
  WaitingRoom room;
  Rate given_back;
  uint64_t taken = 0;    // places: of the pending, and of those who wait in the hall
  uint64_t pending = 0;  // set-ups under way
};

}  // namespace penstock::admission
