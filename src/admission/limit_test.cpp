#include "admission/limit.h"

#include <gtest/gtest.h>

namespace penstock::admission {
namespace {

using namespace std::chrono_literals;

class Limit : public testing::TestWithParam<Adapt> {
 protected:
  Limit() { limit_.began(now_); }

  // `count` set-ups of `w` each, as many at a time as the limit allows.
  void run(int count, Duration w) {
    for (int i = 0; i < count; ++i) {
      const uint64_t pending = limit_.at(settings_, kMost, now_);
      now_ += w / static_cast<int64_t>(pending);
      limit_.sample(settings_, w, pending, now_);
    }
  }
  uint64_t limit() { return limit_.at(settings_, 0, now_); }

  static constexpr uint64_t kMost = 400;
  Instant now_{1h};
  const LimitSettings settings_{GetParam(), kMost};
  AdaptiveLimit limit_{settings_};
};

TEST_P(Limit, StaysAtItsMostWhileTheDestinationIsWell) {
  run(2000, 20ms);
  EXPECT_EQ(limit(), kMost);
}

TEST_P(Limit, FallsToItsLeastWhileTheDestinationIsSlowAndComesBackWhenItIsWell) {
  run(1000, 20ms);
  run(GetParam() == Adapt::kGradient ? 300 : 4000, 5s);
  EXPECT_LE(limit(), AdaptiveLimit::kLeast * 2);
  run(50'000, 20ms);
  EXPECT_GT(limit(), kMost / 2);
}

TEST_P(Limit, IsAliveToADestinationThatSaysNothingAnyMore) {
  run(1000, 20ms);
  // All permits are out; nothing comes back.
  for (int i = 0; i < 100; ++i) {
    now_ += 10ms;
    limit_.at(settings_, kMost, now_);
  }
  EXPECT_LE(limit(), kMost / 2);
}

TEST_P(Limit, IsNotLoweredByOneSlowSetUpAmongFew) {
  run(100, 20ms);
  limit_.sample(settings_, 2s, 2, now_);
  limit_.at(settings_, 2, now_ + 3s);
  EXPECT_EQ(limit(), kMost);
}

TEST_P(Limit, TakesMillisecondsForNoise) {
  run(1000, 100us);
  run(1000, 15ms);
  EXPECT_EQ(limit(), kMost);
}

TEST_P(Limit, BelievesInALongerNoLoadTimeAfterMinutes) {
  run(1000, 20ms);
  for (int minute = 0; minute < 10; ++minute) {
    now_ += 1min;
    limit_.sample(settings_, 200ms, 1, now_);
  }
  EXPECT_NEAR(limit_.no_load_seconds(), 0.2, 0.01);
}

INSTANTIATE_TEST_SUITE_P(Both, Limit, testing::Values(Adapt::kGradient, Adapt::kAimd),
                         [](const auto& one) {
                           return one.param == Adapt::kGradient ? "Gradient" : "Aimd";
                         });

TEST(LimitOff, IsWhatTheOwnerSaid) {
  AdaptiveLimit limit({Adapt::kOff, 7});
  limit.sample({Adapt::kOff, 7}, 5s, 7, Instant{1h});
  EXPECT_EQ(limit.at({Adapt::kOff, 7}, 7, Instant{2h}), 7u);
}

TEST(LimitOff, NeverLimitsWhereTheOwnerSetNone) {
  AdaptiveLimit limit({Adapt::kGradient, 0});
  EXPECT_GE(limit.at({Adapt::kGradient, 0}, 1'000'000, Instant{1h}), 1'000'001u);
}

}  // namespace
}  // namespace penstock::admission
