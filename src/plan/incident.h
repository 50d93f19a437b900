// An incident, played through the real admission code on a clock of its own: many origins that take
// W for a set-up, some of which suddenly take much longer, and later heal. What the others' clients
// notice of it is what a bulkhead is for.
//
// A set-up takes a lognormal time around the W of its origin. One that an ill origin keeps waiting
// is answered when the origin heals.
// Pure; one seed decides everything.   Cost: a few microseconds for each set-up.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace penstock::plan {

// How set-ups to one destination are limited.
enum class Bulkhead : uint8_t {
  kNone,      // not at all: only all together are
  kFixed,     // to a quarter of all permits
  kAimd,      // to a quarter, and adapted
  kGradient,  // likewise; what the proxy does
};
inline constexpr std::array kBulkheads = {Bulkhead::kNone, Bulkhead::kFixed, Bulkhead::kAimd,
                                          Bulkhead::kGradient};
std::string_view word(Bulkhead bulkhead);

struct Incident {
  double rate = 1000;          // set-ups per second, over all origins
  uint64_t destinations = 10;  // that share it evenly
  uint64_t ill = 1;            // of them
  double setup_seconds = 0.02;
  double ill_seconds = 5;
  double begins = 20, heals = 60, ends = 100;  // seconds
  uint64_t permits = 400;
  uint64_t seed = 1;
};

// One second of it.
struct Second {
  uint64_t well_asked = 0, well_refused = 0;  // at the origins that stay well
  uint64_t ill_asked = 0, ill_refused = 0;
  double well_p99 = 0;       // seconds from asking to connected, of those that were asked for in it
  uint64_t ill_pending = 0;  // at its end; so are the others
  uint64_t pending = 0;
  double ill_limit = 0;  // on average over the ill
};

struct Course {
  Bulkhead bulkhead;
  std::vector<Second> seconds;

  // Of set-ups to origins that stay well, while the others are ill.
  double well_success = 1;
  double ill_success = 1;   // of set-ups to the ill, at the same time
  double quiet_p99 = 0;     // before it
  double incident_p99 = 0;  // during it
  uint64_t ill_pending_most = 0;
  // From healing until for the last time a set-up to any origin was refused; 0: none was after it.
  double recovery_seconds = 0;
};

Course play(const Incident& incident, Bulkhead bulkhead,
            const std::function<void(double)>& progress = {});

}  // namespace penstock::plan
