#include "load/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <vector>

#include "base/random.h"
#include "load/results.h"

namespace penstock::load {
namespace {

using namespace std::chrono_literals;

constexpr Duration kEnd{(int64_t{1} << 43) - 1};

TEST(Histogram, IsZeroEverywhereWhileEmpty) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  for (const Duration value :
       {histogram.min(), histogram.max(), histogram.mean(), histogram.percentile(99)}) {
    EXPECT_EQ(value, Duration::zero());
  }
  EXPECT_TRUE(histogram.steps().empty());
}

TEST(Histogram, KeepsOneValueExactly) {
  Histogram histogram;
  histogram.record(1'234'567ns);
  EXPECT_EQ(histogram.min(), 1'234'567ns);
  EXPECT_EQ(histogram.max(), 1'234'567ns);
  EXPECT_EQ(histogram.mean(), 1'234'567ns);
  for (const double p : {0.001, 50.0, 100.0}) EXPECT_EQ(histogram.percentile(p), 1'234'567ns);
}

TEST(Histogram, TakesWhatIsOutsideItsRangeForItsEnds) {
  Histogram histogram;
  histogram.record(-5s);
  histogram.record(0ns);
  histogram.record(24h);
  EXPECT_EQ(histogram.count(), 3u);
  EXPECT_EQ(histogram.min(), 1ns);
  EXPECT_EQ(histogram.max(), kEnd);
  EXPECT_EQ(histogram.percentile(50), 1ns);
  EXPECT_EQ(histogram.percentile(100), kEnd);
}

TEST(Histogram, ReadsAnyValueBackWithinOneSixtyFourth) {
  std::vector<int64_t> values;
  for (int bit = 0; bit < 43; ++bit) {
    for (const int64_t beside : {-1, 0, 1}) {
      values.push_back(std::clamp<int64_t>((int64_t{1} << bit) + beside, 1, kEnd.count()));
    }
  }
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  Random random(seed);
  for (int i = 0; i < 20'000; ++i) {
    values.push_back(1 + static_cast<int64_t>((random.next() >> 21) >> random.below(43)));
  }
  for (const int64_t value : values) {
    Histogram histogram;  // its end as well, so that the step's edge is not cut to the maximum
    histogram.record(Duration(value));
    histogram.record(kEnd);
    const int64_t read = histogram.percentile(50).count();
    ASSERT_GE(read, value);
    ASSERT_LE(static_cast<double>(read - value), static_cast<double>(value) / 64) << value;
  }
}

TEST(Histogram, AgreesWithSortedValuesAboutPercentiles) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  std::lognormal_distribution<double> latency(11, 2);
  Histogram histogram;
  std::vector<double> sorted;
  for (int i = 0; i < 50'000; ++i) {
    const double value = std::clamp(std::floor(latency(random)), 1.0, 1e12);
    sorted.push_back(value);
    histogram.record(Duration(static_cast<int64_t>(value)));
  }
  std::ranges::sort(sorted);
  for (const double p : {0.1, 10.0, 50.0, 90.0, 99.0, 99.9, 99.99, 100.0}) {
    const auto rank = static_cast<size_t>(std::ceil(p / 100 * 50'000 * (1 - 1e-12)));
    const double expected = sorted[rank - 1];
    const auto found = static_cast<double>(histogram.percentile(p).count());
    EXPECT_GE(found, expected) << p;
    EXPECT_LE(found, expected * (1 + 1.0 / 64)) << p;
  }
  EXPECT_EQ(static_cast<double>(histogram.min().count()), sorted.front());
  EXPECT_EQ(static_cast<double>(histogram.max().count()), sorted.back());
}

TEST(Histogram, CountsTheRankOfAPercentileWithoutRoundingItUp) {
  Histogram histogram;
  for (int i = 0; i < 999; ++i) histogram.record(1ms);
  histogram.record(1s);
  EXPECT_LT(histogram.percentile(99.9), 2ms) << "999 of 1000 are 99.9 %";
  EXPECT_EQ(histogram.percentile(99.91), 1s);
}

TEST(Histogram, MergesAsIfAllHadBeenRecordedInOne) {
  Histogram one, other, all;
  for (int i = 1; i <= 1000; ++i) {
    const Duration latency = i * i * 1us;
    (i % 3 == 0 ? one : other).record(latency);
    all.record(latency);
  }
  one.merge(other);
  one.merge(Histogram());
  EXPECT_EQ(one.count(), all.count());
  EXPECT_EQ(one.min(), all.min());
  EXPECT_EQ(one.max(), all.max());
  EXPECT_EQ(one.mean(), all.mean());
  for (const double p : {1.0, 50.0, 99.0}) EXPECT_EQ(one.percentile(p), all.percentile(p));
}

TEST(Histogram, TakesTheMinimumOfWhatItMergesWhileEmpty) {
  Histogram one, other;
  other.record(5ms);
  one.merge(other);
  EXPECT_EQ(one.min(), 5ms);
}

TEST(Histogram, ListsItsFilledStepsUpwards) {
  Histogram histogram;
  histogram.record(1s);
  for (int i = 0; i < 3; ++i) histogram.record(10ns);
  histogram.record(1'000'001us);
  const auto steps = histogram.steps();
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_EQ(steps[0].upper, 10ns);
  EXPECT_EQ(steps[0].count, 3u);
  EXPECT_GE(steps[1].upper, 1'000'001us);
  EXPECT_EQ(steps[1].count, 2u);
}

TEST(Results, AddUpWhatThreadsFound) {
  Results one, other;
  one.setup.record(1ms);
  one.errors = {{"timed out", 2}};
  one.open_most = 3;
  one.elapsed = 10s;
  other.setup.record(2ms);
  other.errors = {{"timed out", 1}, {"wrong bytes", 4}};
  other.open_most = 4;
  other.elapsed = 9s;
  other.tunnels = other.finished = other.late = other.bytes_up = other.bytes_down = 7;
  one.merge(other);
  EXPECT_EQ(one.setup.count(), 2u);
  EXPECT_EQ(one.errors, (std::map<std::string, uint64_t>{{"timed out", 3}, {"wrong bytes", 4}}));
  EXPECT_EQ(one.error_count(), 7u);
  EXPECT_EQ(one.open_most, 7);
  EXPECT_EQ(one.elapsed, 10s);
  for (const uint64_t sum : {one.tunnels, one.finished, one.late, one.bytes_up, one.bytes_down}) {
    EXPECT_EQ(sum, 7u);
  }
}

}  // namespace
}  // namespace penstock::load
