// Durations counted into fixed buckets, from 50 us to 100 s. One writer, any readers, no locks:
// each worker has its own and they are added up when somebody asks.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace penstock::observe {

// What a histogram holds at one moment; addable.
struct HistogramCounts {
  static constexpr std::array<double, 20> kUpperBounds = {
      0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
      0.1,     0.25,   0.5,     1,      2.5,   5,      10,    25,   50,    100};  // seconds

  std::array<uint64_t, kUpperBounds.size() + 1> buckets{};  // not cumulative; the last is +Inf
  uint64_t count = 0;
  double sum_seconds = 0;

  HistogramCounts& operator+=(const HistogramCounts& other);
};

class Histogram {
 public:
  void record(Duration value);  // the owning thread only
  HistogramCounts counts() const;

 private:
  std::array<std::atomic<uint64_t>, HistogramCounts::kUpperBounds.size() + 1> buckets_{};
  std::atomic<uint64_t> sum_ns_{0};
};

}  // namespace penstock::observe
