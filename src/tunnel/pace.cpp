#include "tunnel/pace.h"

#include <algorithm>

#include "base/check.h"

namespace penstock::tunnel {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;  // in Duration's nanoseconds

// 128 bits in between: an hour of nanoseconds times a fast link does not fit 64.
uint64_t scale(uint64_t value, uint64_t by, uint64_t over) {
  const auto product = static_cast<unsigned __int128>(value) * by;
  return static_cast<uint64_t>(std::min<unsigned __int128>(product / over, INT64_MAX / 2));
}

}  // namespace

Pace::Pace(uint64_t bandwidth) : bandwidth_(bandwidth) {
  PENSTOCK_CHECK(bandwidth > 0);
  const Duration least(static_cast<int64_t>(scale(kLeastBurstBytes, kSecond, bandwidth)));
  burst_ = std::max(kBurst, least);
}

size_t Pace::allowance(Instant now) const {
  const Duration owed = std::max(paid_at_ - now, Duration::zero());
  if (owed >= burst_) return 0;
  return scale(static_cast<uint64_t>((burst_ - owed).count()), bandwidth_, kSecond);
}

void Pace::spend(Instant now, size_t bytes) {
  paid_at_ =
      std::max(paid_at_, now) + Duration(static_cast<int64_t>(scale(bytes, kSecond, bandwidth_)));
}

}  // namespace penstock::tunnel
