#include "admission/limit.h"

#include <algorithm>
#include <cmath>

namespace penstock::admission {
namespace {

constexpr double kNoiseSeconds = std::chrono::duration<double>(AdaptiveLimit::kNoise).count();
constexpr double kDoublingSeconds = std::chrono::duration<double>(AdaptiveLimit::kDoubling).count();
// The W of a destination that has not been heard yet: half a world away, and DNS before it.
constexpr double kUnknown = 0.25;
// No W is shorter: it would stay zero however often it is doubled.
constexpr double kClock = 1e-6;
// The recent W is averaged over what is under way, and over so many at most.
constexpr double kAveraged = 100;
// What stands for "no limit" in the arithmetic.
constexpr double kUnlimited = 1e9;
// A limit is at most halved by one sample: one slow set-up may be an accident.
constexpr double kSteepest = 0.5;
// How much of the way to its new value the limit goes with each sample.
constexpr double kSmoothing = 0.2;
constexpr double kAimdFactor = 0.9;

bool adapts(const LimitSettings& settings) {
  return settings.adapt != Adapt::kOff && settings.most != 0;
}

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

double AdaptiveLimit::most(const LimitSettings& settings) {
  return settings.most == 0 ? kUnlimited : static_cast<double>(settings.most);
}

double AdaptiveLimit::tolerated() const {
  return kTolerance * (no_load_ == 0 ? kUnknown : std::max(no_load_, kNoiseSeconds));
}

void AdaptiveLimit::clamp(const LimitSettings& settings) {
  const double ceiling = most(settings);
  limit_ = std::clamp(limit_, std::min(static_cast<double>(kLeast), ceiling), ceiling);
}

uint64_t AdaptiveLimit::at(const LimitSettings& settings, uint64_t pending, Instant now) {
  if (!adapts(settings)) return static_cast<uint64_t>(most(settings));
  // Twice what is tolerated: one whole set-up may have begun just before the silence did.
  if (in_use(pending) && seconds(now - heard_) > 2 * tolerated()) {
    limit_ = std::min(limit_, static_cast<double>(pending)) * kSteepest;
    heard_ = now;
  }
  clamp(settings);
  return static_cast<uint64_t>(limit_);
}

uint64_t AdaptiveLimit::last(const LimitSettings& settings) const {
  return static_cast<uint64_t>(adapts(settings) ? limit_ : most(settings));
}

void AdaptiveLimit::sample(const LimitSettings& settings, Duration w, uint64_t pending,
                           Instant now) {
  heard_ = now;
  if (!adapts(settings)) return;
  learn(seconds(w), pending, now);
  if (!in_use(pending)) return;
  if (settings.adapt == Adapt::kGradient) {
    follow_gradient();
  } else {
    follow_aimd(seconds(w), now);
  }
  clamp(settings);
}

// A limit that nobody comes near neither causes a slow set-up nor is tested by a quick one.
bool AdaptiveLimit::in_use(uint64_t pending) const {
  return pending > 0 && static_cast<double>(pending) * 2 >= limit_;
}

void AdaptiveLimit::learn(double w, uint64_t pending, Instant now) {
  if (no_load_ == 0) {
    no_load_ = recent_ = std::max(w, kClock);
    drifted_ = now;
    return;
  }
  recent_ += (w - recent_) / std::clamp(static_cast<double>(pending), 1.0, kAveraged);
  no_load_ *= std::exp2(seconds(now - drifted_) / kDoublingSeconds);
  no_load_ = std::clamp(no_load_, kClock, std::max(w, kClock));
  drifted_ = now;
}

void AdaptiveLimit::follow_gradient() {
  const double gradient = std::clamp(tolerated() / recent_, kSteepest, 1.0);
  const double wanted = limit_ * gradient + std::sqrt(limit_);
  limit_ += (wanted - limit_) * kSmoothing;
}

void AdaptiveLimit::follow_aimd(double w, Instant now) {
  if (w <= tolerated()) {
    limit_ += 1 / std::max(limit_, 1.0);
  } else if (seconds(now - lowered_) > w) {  // once for all that set out together
    limit_ *= kAimdFactor;
    lowered_ = now;
  }
}

}  // namespace penstock::admission
