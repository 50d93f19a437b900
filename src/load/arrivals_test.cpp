#include "load/arrivals.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace penstock::load {
namespace {

using std::chrono::milliseconds;

std::vector<double> gaps_in_seconds(ArrivalTimes times, int count) {
  std::vector<double> gaps;
  Duration last{};
  for (int i = 0; i < count; ++i) {
    const Duration at = times.next();
    gaps.push_back(std::chrono::duration<double>(at - last).count());
    last = at;
  }
  return gaps;
}

TEST(ArrivalTimes, OfAFixedRateLieEvenlyAndDoNotDrift) {
  ArrivalTimes times(300, Arrivals::kFixed, 1);
  Duration at{};
  for (int i = 0; i <= 300'000; ++i) at = times.next();
  EXPECT_NEAR(static_cast<double>(at.count()), 1e12, 2);
}

TEST(ArrivalTimes, OfSeveralThreadsLieBetweenEachOther) {
  ArrivalTimes first(10, Arrivals::kFixed, 1, 0), second(10, Arrivals::kFixed, 1, 0.5);
  EXPECT_EQ(first.next(), milliseconds(0));
  EXPECT_EQ(second.next(), milliseconds(50));
  EXPECT_EQ(first.next(), milliseconds(100));
}

TEST(ArrivalTimes, AreExponentialInMeanSpreadAndTail) {
  constexpr int kCount = 200'000;
  constexpr double kRate = 1000;
  for (const uint64_t seed : {1, 2, 3}) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const auto gaps = gaps_in_seconds(ArrivalTimes(kRate, Arrivals::kExponential, seed), kCount);
    double sum = 0, squares = 0;
    int beyond_twice = 0;
    for (const double gap : gaps) {
      ASSERT_GE(gap, 0);
      sum += gap;
      squares += gap * gap;
      if (gap > 2 / kRate) ++beyond_twice;
    }
    const double mean = sum / kCount;
    // Five standard errors of each.
    EXPECT_NEAR(mean * kRate, 1, 5 / std::sqrt(kCount));
    EXPECT_NEAR(std::sqrt(squares / kCount - mean * mean) * kRate, 1, 0.02);
    EXPECT_NEAR(static_cast<double>(beyond_twice) / kCount, std::exp(-2.0), 0.004);
  }
}

TEST(ArrivalTimes, AreTheSameForTheSameSeedOnly) {
  const auto with_seed = [](uint64_t seed) {
    return gaps_in_seconds(ArrivalTimes(100, Arrivals::kExponential, seed), 50);
  };
  EXPECT_EQ(with_seed(7), with_seed(7));
  EXPECT_NE(with_seed(7), with_seed(8));
}

TEST(ArrivalTimes, OfAVeryLowRateStayWithinAClock) {
  ArrivalTimes times(1e-12, Arrivals::kExponential, 1);
  EXPECT_GT(times.next(), std::chrono::hours(24));
  EXPECT_GT(times.next(), std::chrono::hours(24));
}

}  // namespace
}  // namespace penstock::load
