#include "observe/histogram.h"

#include <algorithm>
#include <cmath>

namespace penstock::observe {
namespace {

constexpr size_t kBounds = HistogramCounts::kUpperBounds.size();

// The bounds in whole nanoseconds, so that a value on a bound falls into that bucket ("le").
const std::array<int64_t, kBounds> kBoundsNs = [] {
  std::array<int64_t, kBounds> result{};
  for (size_t i = 0; i < kBounds; ++i) {
    result[i] = std::llround(HistogramCounts::kUpperBounds[i] * 1e9);
  }
  return result;
}();

}  // namespace

HistogramCounts& HistogramCounts::operator+=(const HistogramCounts& other) {
  for (size_t i = 0; i < buckets.size(); ++i) buckets[i] += other.buckets[i];
  count += other.count;
  sum_seconds += other.sum_seconds;
  return *this;
}

void Histogram::record(Duration value) {
  const int64_t ns = std::max<int64_t>(value.count(), 0);
  const auto bound = std::lower_bound(kBoundsNs.begin(), kBoundsNs.end(), ns);
  auto& bucket = buckets_[static_cast<size_t>(bound - kBoundsNs.begin())];
  // SAFETY: one writer (see counter.h), so no lock prefix.
  bucket.store(bucket.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  sum_ns_.store(sum_ns_.load(std::memory_order_relaxed) + static_cast<uint64_t>(ns),
                std::memory_order_relaxed);
}

HistogramCounts Histogram::counts() const {
  HistogramCounts result;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    result.buckets[i] = buckets_[i].load(std::memory_order_relaxed);
    // Counted from the same reads: the total always equals the +Inf bucket, as readers expect.
    result.count += result.buckets[i];
  }
  result.sum_seconds = static_cast<double>(sum_ns_.load(std::memory_order_relaxed)) / 1e9;
  return result;
}

}  // namespace penstock::observe
