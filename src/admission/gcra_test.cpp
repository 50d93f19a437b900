#include "admission/gcra.h"

#include <gtest/gtest.h>

#include <deque>

#include "base/random.h"

namespace penstock::admission {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant kStart{hours(1)};

TEST(Gcra, AffordsABurstAfterASilenceAndThenOnePerPrice) {
  const Gcra rule({10, seconds(1)}, uint64_t{3});
  Instant paid_at{};
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(rule.affords(paid_at, kStart, 1)) << i;
    paid_at = rule.spend(paid_at, kStart, 1);
  }
  EXPECT_FALSE(rule.affords(paid_at, kStart, 1));
  EXPECT_EQ(rule.affords_at(paid_at, 1), kStart + milliseconds(100));
  EXPECT_FALSE(rule.affords(paid_at, kStart + milliseconds(100) - Duration(1), 1));
  EXPECT_TRUE(rule.affords(paid_at, kStart + milliseconds(100), 1));
}

TEST(Gcra, NeverAffordsMoreThanABurstHoweverLongTheSilence) {
  const Gcra rule({10, seconds(1)}, uint64_t{3});
  EXPECT_TRUE(rule.affords({}, kStart + hours(1000), 3));
  EXPECT_FALSE(rule.affords({}, kStart + hours(1000), 4));
  EXPECT_EQ(rule.allowance({}, kStart + hours(1000)), 3u);
}

TEST(Gcra, TakesADebtAndLetsTimePayIt) {
  const Gcra rule({1000, hours(1)}, Duration(hours(1)));
  const Instant paid_at = rule.spend({}, kStart, 3000);
  EXPECT_EQ(rule.allowance(paid_at, kStart), 0u);
  EXPECT_EQ(rule.allowance(paid_at, kStart + hours(2)), 0u);
  EXPECT_EQ(rule.allowance(paid_at, kStart + hours(2) + milliseconds(3600)), 1u);
  EXPECT_EQ(rule.allowance(paid_at, kStart + hours(3)), 1000u);
}

TEST(Gcra, StaysWithinTimeWhateverIsSpent) {
  const Gcra rule({1, hours(24)}, Duration(hours(24)));
  Instant paid_at{};
  for (int i = 0; i < 10; ++i) {
    paid_at = rule.spend(paid_at, kStart, UINT64_MAX);
    EXPECT_GT(paid_at, kStart);
    EXPECT_LT(paid_at, kNever);
  }
}

// What no schedule may break: in any span of time at most a burst and what the span earns; and what
// is refused is affordable exactly when it said so.
TEST(Gcra, KeepsItsPromisesOnRandomSchedules) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const uint64_t count = 1 + random.below(500);
    const uint64_t burst = 1 + random.below(40);
    const Gcra rule({count, seconds(1)}, burst);
    const double per_unit = 1e9 / static_cast<double>(count);
    Instant now = kStart;
    Instant paid_at{};
    std::deque<Instant> spent;
    for (int i = 0; i < 400; ++i) {
      now += Duration(static_cast<int64_t>(random.below(static_cast<uint64_t>(2 * per_unit))));
      if (!rule.affords(paid_at, now, 1)) {
        const Instant then = rule.affords_at(paid_at, 1);
        ASSERT_GT(then, now);
        ASSERT_FALSE(rule.affords(paid_at, then - Duration(1), 1));
        ASSERT_TRUE(rule.affords(paid_at, then, 1));
        continue;
      }
      paid_at = rule.spend(paid_at, now, 1);
      spent.push_back(now);
      if (spent.size() <= burst) continue;
      // The one that came a burst earlier: between the two, one unit's time must have passed.
      const Instant earlier = spent[spent.size() - 1 - burst];
      ASSERT_GE(static_cast<double>((now - earlier).count()),
                per_unit - static_cast<double>(burst) - 1);
    }
    ASSERT_GT(spent.size(), burst) << "the schedule asked for too little to mean anything";
  }
}

}  // namespace
}  // namespace penstock::admission
