#include "tunnel/pace.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace penstock::tunnel {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant kStart{std::chrono::hours(1)};

TEST(Pace, AllowsABurstOfFiftyMillisecondsAfterASilence) {
  const Pace pace(100'000'000);
  EXPECT_EQ(pace.allowance(kStart), 5'000'000u);
}

TEST(Pace, AllowsATlsRecordAtOnceHoweverSmallTheCap) {
  const Pace pace(1000);
  EXPECT_EQ(pace.allowance(kStart), 16u * 1024);
}

TEST(Pace, AllowsNothingWhenTheBurstIsSpentAndSaysWhenHalfOfItIsBack) {
  Pace pace(1'000'000);
  pace.spend(kStart, pace.allowance(kStart));
  EXPECT_EQ(pace.allowance(kStart), 0u);
  EXPECT_EQ(pace.resume_at(), kStart + milliseconds(25));
  EXPECT_EQ(pace.allowance(pace.resume_at()), 25'000u);
}

TEST(Pace, DoesNotSaveUpMoreThanABurst) {
  Pace pace(1'000'000);
  pace.spend(kStart, 50'000);
  EXPECT_EQ(pace.allowance(kStart + seconds(3600)), 50'000u);
}

TEST(Pace, KeepsItsRateExactlyOverManyOddSpends) {
  for (const uint64_t bandwidth : {uint64_t{333}, uint64_t{1'234'567}, uint64_t{40'000'000'000}}) {
    SCOPED_TRACE(bandwidth);
    Pace pace(bandwidth);
    Random random(7);
    Instant now = kStart;
    uint64_t total = 0;
    for (int i = 0; i < 10'000; ++i) {
      now = std::max(now, pace.resume_at());
      const size_t allowed = pace.allowance(now);
      if (allowed == 0) continue;
      const size_t spent = 1 + random.below(allowed);
      pace.spend(now, spent);
      total += spent;
    }
    const double elapsed = std::chrono::duration<double>(now - kStart).count();
    const double burst = std::max(16384.0, 0.05 * static_cast<double>(bandwidth));
    const double earned = elapsed * static_cast<double>(bandwidth);
    EXPECT_LE(static_cast<double>(total), earned * 1.0001 + burst);
    EXPECT_GE(static_cast<double>(total), earned * 0.9999 - burst);
  }
}

}  // namespace
}  // namespace penstock::tunnel
