// A rate with a burst, as the generic cell rate algorithm: all that was spent is kept as the one
// instant at which it will have been paid for (ATM Forum TM 4.0, section 4.4.2). Time pays by
// itself, so nobody refills anything and rounding never adds up.
// Pure: it has no clock, and the instant is the caller's to keep.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "base/time.h"

namespace penstock::admission {

// So many in so long: an entitlement, where Rate is a measurement. A count of 0 is "no limit".
struct Ration {
  uint64_t count = 0;
  Duration per = std::chrono::seconds(1);

  explicit operator bool() const { return count != 0; }
  friend bool operator==(const Ration&, const Ration&) = default;
};

namespace gcra {

// Nobody owes more time than this, 73 years: sums of a few of them are still instants.
inline constexpr Duration kMostOwed{INT64_MAX / 4};

// value * by / over, at most kMostOwed. 128 bits in between: a day of nanoseconds times a fast link
// does not fit 64.
constexpr uint64_t scale(uint64_t value, uint64_t by, uint64_t over) {
  const auto product = static_cast<unsigned __int128>(value) * by;
  const auto most = static_cast<uint64_t>(kMostOwed.count());
  return static_cast<uint64_t>(std::min<unsigned __int128>(product / over, most));
}

// When everything is paid for, once `price` has been spent on top of what was owed.
constexpr Instant owing(Instant paid_at, Instant now, Duration price) {
  return std::min(std::max(paid_at, now) + price, now + kMostOwed);
}

// The time that pays under `to` what `owed` pays under `from`.
inline Duration rescaled(Duration owed, const Ration& from, const Ration& to) {
  const auto units = static_cast<long double>(owed.count()) * static_cast<long double>(from.count) /
                     static_cast<long double>(from.per.count());
  const auto time =
      units * static_cast<long double>(to.per.count()) / static_cast<long double>(to.count);
  const auto most = static_cast<long double>(kMostOwed.count());
  return Duration(static_cast<Duration::rep>(std::min(time, most)));
}

}  // namespace gcra

class Gcra {
 public:
  // `burst`: what may be spent at once after a silence, as the time that it takes to earn.
  Gcra(Ration rate, Duration burst) : rate_(rate), burst_(burst) {
    PENSTOCK_CHECK(rate.count > 0 && rate.per > Duration::zero());
  }
  Gcra(Ration rate, uint64_t burst) : Gcra(rate, Duration::zero()) { burst_ = price(burst); }

  // The time that earns so many units, rounded down by less than a nanosecond.
  Duration price(uint64_t units) const {
    return Duration(static_cast<int64_t>(
        gcra::scale(units, static_cast<uint64_t>(rate_.per.count()), rate_.count)));
  }
  // Units that may be spent at `now`.
  uint64_t allowance(Instant paid_at, Instant now) const {
    const Duration owed = std::max(paid_at - now, Duration::zero());
    if (owed >= burst_) return 0;
    return gcra::scale(static_cast<uint64_t>((burst_ - owed).count()), rate_.count,
                       static_cast<uint64_t>(rate_.per.count()));
  }
  // Whether so many may be spent at `now`: never more than a burst.
  bool affords(Instant paid_at, Instant now, uint64_t units) const {
    return std::max(paid_at, now) + price(units) - burst_ <= now;
  }
  // From when on it affords them, if nobody spends meanwhile.
  Instant affords_at(Instant paid_at, uint64_t units) const {
    return paid_at + price(units) - burst_;
  }
  // The new `paid_at`. Spending more than the allowance is a debt that time pays as well.
  Instant spend(Instant paid_at, Instant now, uint64_t units) const {
    return gcra::owing(paid_at, now, price(units));
  }

  Duration burst() const { return burst_; }

 private:
  Ration rate_;
  Duration burst_;
};

}  // namespace penstock::admission
