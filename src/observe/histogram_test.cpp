#include "observe/histogram.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>

#include "observe/counter.h"

namespace penstock::observe {
namespace {

using namespace std::chrono_literals;

TEST(Counter, CountsUpAndDown) {
  Counter counter;
  counter.add();
  counter.add(5);
  counter.subtract(2);
  EXPECT_EQ(counter.value(), 4u);
}

TEST(Histogram, PutsAValueOnABoundIntoThatBucketAndOneBeyondIntoTheNext) {
  for (size_t i = 0; i < HistogramCounts::kUpperBounds.size(); ++i) {
    Histogram histogram;
    const auto bound = Duration(std::llround(HistogramCounts::kUpperBounds[i] * 1e9));
    histogram.record(bound);
    histogram.record(bound + 1ns);
    const auto counts = histogram.counts();
    EXPECT_EQ(counts.buckets[i], 1u) << i;
    EXPECT_EQ(counts.buckets[i + 1], 1u) << i;
    EXPECT_EQ(counts.count, 2u);
  }
}

TEST(Histogram, CountsAStepBackInTimeAsZero) {
  Histogram histogram;
  histogram.record(-3s);
  EXPECT_EQ(histogram.counts().buckets[0], 1u);
  EXPECT_EQ(histogram.counts().sum_seconds, 0);
}

TEST(Histogram, AddsUpWorkers) {
  Histogram one;
  Histogram two;
  one.record(1s);
  two.record(500ms);
  two.record(1000s);
  auto sum = one.counts();
  sum += two.counts();
  EXPECT_EQ(sum.count, 3u);
  EXPECT_EQ(sum.buckets.back(), 1u);
  EXPECT_DOUBLE_EQ(sum.sum_seconds, 1001.5);
}

}  // namespace
}  // namespace penstock::observe
