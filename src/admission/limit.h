// How many set-ups to one destination may be pending, learned from how long they take. By Little's
// law a destination that takes W for each of λ set-ups a second holds L = λW permits; when its W
// grows and nothing is done, L follows until the permits of all the others are gone.
//
//   gradient   after each set-up the limit is multiplied by (no-load W × tolerance) / recent W, at
//              most 1, and a little room to grow is added: it settles where a queue of that room
//              stands at the destination (N. Cardwell's BBR and L. Brakmo's TCP Vegas ask the same
//              question; Netflix concurrency-limits, "Gradient2", of services)
//   AIMD       one more for each limit's worth of good set-ups, a tenth less for a slow one (D.
//   Chiu
//              and R. Jain, 1989)
//
// Both were put through the same incidents by `penstock plan --incident`: docs/decisions/0011.
//
// Samples are resolve and dial, never a tunnel's life, and never a time in our own queue.
// Pure.   Thread: whoever guards it.   Cost: 56 bytes, some 20 ns for each sample.
#pragma once

#include <cstdint>

#include "base/time.h"

namespace penstock::admission {

enum class Adapt : uint8_t { kOff, kGradient, kAimd };

struct LimitSettings {
  Adapt adapt = Adapt::kGradient;
  uint64_t most = 0;  // the limit is never above; 0: it never limits

  // The most in numbers.
  uint64_t allowed() const { return most == 0 ? UINT64_MAX : most; }
};

class AdaptiveLimit {
 public:
  // The limit is never below, so that a destination that has healed is noticed.
  static constexpr uint64_t kLeast = 8;
  // A W below is never called congestion: at this scale it is our own scheduling that is measured.
  static constexpr Duration kNoise = std::chrono::milliseconds(10);
  // So much slower than without load is taken for congestion.
  static constexpr double kTolerance = 2;
  // The no-load W may have grown for good: it is believed to double in this time at most.
  static constexpr Duration kDoubling = std::chrono::minutes(1);

  // Before any sample: as many as may be, since most destinations are well.
  explicit AdaptiveLimit(const LimitSettings& settings)
      : limit_(static_cast<double>(settings.most)) {}

  // What holds at `now`, with `pending` set-ups under way. A destination that has been silent for
  // much longer than it ever took has slowed down, whatever the samples before it said: the first
  // sample of a W of 5 s comes after 5 s.
  uint64_t at(const LimitSettings& settings, uint64_t pending, Instant now);

  // The same without looking at the clock: what held when somebody last asked.
  uint64_t last(const LimitSettings& settings) const;

  // One set-up took `w` and ended by itself, while `pending` (itself among them) were under way.
  void sample(const LimitSettings& settings, Duration w, uint64_t pending, Instant now);
  // One ended and says nothing about time: refused by the destination, abandoned.
  void heard(Instant now) { heard_ = now; }
  // The first permit after nobody had one: silence counts from here.
  void began(Instant now) { heard_ = now; }

  // Seconds; 0: not known yet.
  double no_load_seconds() const { return no_load_; }
  double recent_seconds() const { return recent_; }

 private:
  static double most(const LimitSettings& settings);
  bool in_use(uint64_t pending) const;
  double tolerated() const;
  void learn(double w, uint64_t pending, Instant now);
  void follow_gradient();
  void follow_aimd(double w, Instant now);
  void clamp(const LimitSettings& settings);

  double limit_;
  double no_load_ = 0;  // seconds
  double recent_ = 0;   // seconds, averaged over as many samples as are pending
  Instant drifted_{};   // when no_load_ was last let grow
  Instant heard_{};     // when anything last ended
  Instant lowered_{};   // AIMD: when the limit was last lowered
};

}  // namespace penstock::admission
