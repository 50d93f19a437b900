// Latencies from 1 ns to 2.4 hours in 64 steps per power of two: any value read back is within
// 1.6 % of what was recorded, as in HdrHistogram. Fixed size, no allocation when recording.
// Thread: one; merge() afterwards.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/time.h"

namespace penstock::load {

class Histogram {
 public:
  void record(Duration latency);  // below 1 ns counts as 1 ns, above the range as its end
  void merge(const Histogram& other);

  uint64_t count() const { return count_; }
  Duration min() const;  // zero while empty, as are all below
  Duration max() const;  // exact
  Duration mean() const;
  // The least recorded latency (its step's upper edge, at most max()) that p % of all do not
  // exceed; 0 < p <= 100.
  Duration percentile(double p) const;

  // The filled steps, ascending: upper edge and how many fell into it.
  struct Step {
    Duration upper;
    uint64_t count;
  };
  std::vector<Step> steps() const;

 private:
  static constexpr int kRangeBits = 43;
  static constexpr int kSubBits = 6;
  static constexpr int kBuckets = (kRangeBits - kSubBits + 1) << kSubBits;

  static size_t index_of(uint64_t nanos);
  static Duration upper_edge(size_t index);

  std::array<uint64_t, kBuckets> counts_{};
  uint64_t count_ = 0;
  double sum_ns_ = 0;  // exact up to 2^53 ns, 104 days; an integer could overflow
  Duration min_{};
  Duration max_{};
};

}  // namespace penstock::load
