// A circuit breaker (M. Nygard, Release It!, 2nd edition, section 5.2): a destination that fails
// most of the time is left alone for a while, and asked again by one probe at a time.
//
//   closed     everybody passes; failures are counted over a sliding window
//   open       nobody passes until the pause is over
//   half-open  one passes, the probe: its success closes the breaker, its failure opens it for a
//              pause twice as long
//
// Pauses are jittered, so that many proxies that saw one origin fail do not probe it in step.
// Pure.   Thread: whoever guards it.   Cost: 96 bytes, some 10 ns for each call.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/error.h"
#include "base/random.h"
#include "base/time.h"

namespace penstock::admission {

struct BreakerSettings {
  uint64_t failure_percent = 50;  // of those in the window; 0: there is no breaker
  uint64_t minimum = 20;          // fewer than so many in the window say nothing
  Duration window = std::chrono::seconds(10);
  Duration pause = std::chrono::seconds(1);  // the first; each failed probe doubles it
  Duration pause_max = std::chrono::seconds(30);
};

class Breaker {
 public:
  enum class State : uint8_t { kClosed, kOpen, kHalfOpen };
  // What one that asked was told. Whoever was let pass brings it back with how it ended.
  enum class Pass : uint8_t { kRefused, kGranted, kProbe };
  enum class Change : uint8_t { kNone, kOpened, kClosed };

  explicit Breaker(uint64_t seed) : random_(seed) {}

  Pass ask(const BreakerSettings& settings, Instant now);

  Change succeeded(const BreakerSettings& settings, Pass pass, Instant now);
  // `why`: shown to those who are refused next.
  Change failed(const BreakerSettings& settings, Pass pass, Code why, Instant now);
  // It ended without a word about the destination: the client left, the policy said no.
  void abandoned(Pass pass);

  State state(Instant now) const;
  // When the next probe may go; now or earlier unless it is open.
  Instant opens_until() const { return until_; }
  // What the destination failed with last, while it is not closed.
  std::optional<Code> cause() const;
  // Nothing is known that would be lost with it.
  bool idle(const BreakerSettings& settings, Instant now) const;

 private:
  static constexpr int kSlots = 8;
  struct Count {
    uint32_t asked = 0;
    uint32_t failed = 0;
  };

  void advance(const BreakerSettings& settings, Instant now);
  Count in_window() const;
  void open(const BreakerSettings& settings, Instant now);
  void close();

  std::array<Count, kSlots> slots_{};
  int64_t slot_ = 0;  // number of the newest, counted from the clock's epoch
  Instant until_{};
  Random random_;
  uint8_t failed_probes_ = 0;
  bool open_ = false;  // or half-open, once until_ has passed
  bool probing_ = false;
  Code cause_{};
};

}  // namespace penstock::admission
