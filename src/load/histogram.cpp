#include "load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/check.h"

namespace penstock::load {

// Below 2^kSubBits each nanosecond has a step of its own. Above, the leading one bit chooses a row
// of 2^kSubBits steps, and the kSubBits bits behind it the step in the row.
size_t Histogram::index_of(uint64_t nanos) {
  constexpr uint64_t kRow = uint64_t{1} << kSubBits;
  if (nanos < kRow) return nanos;
  const int shift = static_cast<int>(std::bit_width(nanos)) - 1 - kSubBits;
  return static_cast<size_t>(shift) * kRow + (nanos >> shift);
}

Duration Histogram::upper_edge(size_t index) {
  constexpr size_t kRow = size_t{1} << kSubBits;
  if (index < 2 * kRow) return Duration(static_cast<int64_t>(index));
  const size_t shift = index / kRow - 1;
  return Duration(static_cast<int64_t>(((kRow + index % kRow + 1) << shift) - 1));
}

void Histogram::record(Duration latency) {
  constexpr Duration kEnd{(int64_t{1} << kRangeBits) - 1};
  latency = std::clamp(latency, Duration(1), kEnd);
  ++counts_[index_of(static_cast<uint64_t>(latency.count()))];
  sum_ns_ += static_cast<double>(latency.count());
  min_ = count_ == 0 ? latency : std::min(min_, latency);
  max_ = std::max(max_, latency);
  ++count_;
}

void Histogram::merge(const Histogram& other) {
  if (other.count_ == 0) return;
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  min_ = count_ == 0 ? other.min_ : std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  count_ += other.count_;
  sum_ns_ += other.sum_ns_;
}

Duration Histogram::min() const {
  return min_;
}

Duration Histogram::max() const {
  return max_;
}

Duration Histogram::mean() const {
  if (count_ == 0) return {};
  return Duration(std::llround(sum_ns_ / static_cast<double>(count_)));
}

Duration Histogram::percentile(double p) const {
  PENSTOCK_CHECK(p > 0 && p <= 100);
  // 99.9 % of 1000 is 999.0000000000001 in binary; the slack keeps that from becoming 1000.
  const double exact = p / 100 * static_cast<double>(count_);
  const auto rank = std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(exact * (1 - 1e-12))));
  uint64_t seen = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen >= rank) return std::clamp(upper_edge(i), min_, max_);
  }
  return max_;
}

std::vector<Histogram::Step> Histogram::steps() const {
  std::vector<Step> out;
  for (size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] > 0) out.push_back({upper_edge(i), counts_[i]});
  }
  return out;
}

}  // namespace penstock::load
