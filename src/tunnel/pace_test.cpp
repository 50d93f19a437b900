#include "tunnel/pace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <vector>

#include "base/random.h"

namespace penstock::tunnel {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant kStart{std::chrono::hours(1)};

TEST(Pace, AllowsABurstOfFiftyMillisecondsAfterASilence) {
  Pace pace(100'000'000);
  EXPECT_EQ(pace.allowance(kStart, SIZE_MAX), 5'000'000u);
}

TEST(Pace, AllowsATlsRecordAtOnceHoweverSmallTheCap) {
  Pace pace(1000);
  EXPECT_EQ(pace.allowance(kStart, SIZE_MAX), 16u * 1024);
}

TEST(Pace, AllowsNothingWhenTheBurstIsSpentAndSaysWhenHalfOfItIsBack) {
  Pace pace(1'000'000);
  pace.spend(kStart, pace.allowance(kStart, SIZE_MAX));
  EXPECT_EQ(pace.allowance(kStart, SIZE_MAX), 0u);
  EXPECT_EQ(pace.resume_at(), kStart + milliseconds(25));
  EXPECT_EQ(pace.allowance(pace.resume_at(), SIZE_MAX), 25'000u);
}

TEST(Pace, DoesNotSaveUpMoreThanABurst) {
  Pace pace(1'000'000);
  pace.spend(kStart, 50'000);
  EXPECT_EQ(pace.allowance(kStart + seconds(3600), SIZE_MAX), 50'000u);
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
      const size_t allowed = pace.allowance(now, SIZE_MAX);
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

using admission::Charges;
using admission::SharedDebt;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kLots = SIZE_MAX;

Charges shared(SharedDebt& debt, uint64_t bandwidth) {
  return {.bandwidth = &debt, .bytes_per_second = bandwidth, .bytes = nullptr};
}

TEST(SharedPace, AllowsTheTunnelsOfAnAccountOneBurstTogether) {
  SharedDebt debt;
  Pace one(0, shared(debt, 10 * kMiB)), other(0, shared(debt, 10 * kMiB));
  uint64_t total = 0;
  for (Pace* pace : {&one, &other, &one, &other, &one, &other, &one, &other}) {
    const size_t allowed = pace->allowance(kStart, kLots);
    if (allowed == 0) continue;
    pace->spend(kStart, allowed);
    total += allowed;
  }
  EXPECT_LE(total, 10 * kMiB / 20);
  EXPECT_GE(total, 10 * kMiB / 25);
}

TEST(SharedPace, GivesBackWhatWasAllowedAndNotMoved) {
  SharedDebt debt;
  Pace pace(0, shared(debt, kMiB));
  ASSERT_GT(pace.allowance(kStart, kLots), 0u);
  pace.spend(kStart, 0);
  EXPECT_EQ(debt.paid_at(), kStart);
  ASSERT_EQ(pace.allowance(kStart, 1000), 1000u);
  pace.spend(kStart, 1000);
  EXPECT_EQ(debt.paid_at(), kStart + admission::Gcra({kMiB}, Pace::kBurst).price(1000));
}

TEST(SharedPace, GivesBackItsPlaceInLineWhenItsTunnelEnds) {
  SharedDebt debt;
  {
    Pace pace(0, shared(debt, kMiB));
    while (const size_t allowed = pace.allowance(kStart, kLots)) pace.spend(kStart, allowed);
    EXPECT_GT(debt.paid_at(), kStart + Pace::kBurst);
  }
  EXPECT_LE(debt.paid_at(), kStart + Pace::kBurst);
}

TEST(SharedPace, IsPacedByItsOwnCapAsWell) {
  SharedDebt debt;
  Pace pace(kMiB, shared(debt, 100 * kMiB));
  pace.spend(kStart, pace.allowance(kStart, kLots));
  EXPECT_EQ(pace.allowance(kStart, kLots), 0u);
  EXPECT_GT(pace.resume_at(), kStart + milliseconds(24));
  EXPECT_LE(pace.resume_at(), kStart + milliseconds(25));
}

// Greedy tunnels with steps of their own, each woken late by a random time: the account's rate is
// kept, and nobody starves.
TEST(SharedPace, DividesTheRateAmongThoseWhoWantItOnRandomSchedules) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const uint64_t bandwidth = kMiB + random.below(200 * kMiB);
    const size_t tunnels = 2 + random.below(7);
    SharedDebt debt;
    std::vector<std::unique_ptr<Pace>> paces;
    std::vector<Instant> wakes(tunnels, kStart);
    std::vector<uint64_t> moved(tunnels, 0);
    for (size_t i = 0; i < tunnels; ++i) {
      paces.push_back(std::make_unique<Pace>(0, shared(debt, bandwidth)));
    }
    const Instant end = kStart + seconds(20);
    Instant now = kStart;
    for (;;) {
      const auto next = static_cast<size_t>(std::ranges::min_element(wakes) - wakes.begin());
      now = std::max(now, wakes[next]);
      if (now >= end) break;
      Pace& pace = *paces[next];
      for (int round = 0; round < 16; ++round) {
        const size_t allowed = pace.allowance(now, kLots);
        if (allowed == 0) break;
        pace.spend(now, allowed);
        moved[next] += allowed;
      }
      wakes[next] = std::max(now, pace.resume_at()) + Duration(random.below(2'000'000));
    }
    const uint64_t total = std::accumulate(moved.begin(), moved.end(), uint64_t{0});
    EXPECT_LE(total, 20 * bandwidth + bandwidth / 20 + Pace::kLeastBurstBytes);
    EXPECT_GE(total, 20 * bandwidth * 95 / 100);
    const uint64_t share = total / tunnels;
    for (const uint64_t one : moved) {
      EXPECT_GE(one, share * 8 / 10);
      EXPECT_LE(one, share * 12 / 10);
    }
  }
}

TEST(SharedPace, TellsTheAccountEveryByteByTheEndOfTheTunnel) {
  std::atomic<uint64_t> bytes = 0;
  {
    Pace pace(0, {.bandwidth = nullptr, .bytes_per_second = 0, .bytes = &bytes});
    EXPECT_EQ(pace.allowance(kStart, kLots), kLots) << "bytes are counted, not capped";
    pace.spend(kStart, 100);
    EXPECT_EQ(bytes, 0u) << "few bytes are told later";
    pace.spend(kStart, Pace::kUncountedMax);
    EXPECT_EQ(bytes, 100 + Pace::kUncountedMax);
    pace.spend(kStart, 7);
  }
  EXPECT_EQ(bytes, 107 + Pace::kUncountedMax);
}

TEST(SharedPace, TellsTheAccountOfATrickleWithinASecondOfTheNextByte) {
  std::atomic<uint64_t> bytes = 0;
  Pace pace(0, {.bandwidth = nullptr, .bytes_per_second = 0, .bytes = &bytes});
  pace.spend(kStart, 100);
  pace.spend(kStart + seconds(1), 1);
  EXPECT_EQ(bytes, 101u);
}

}  // namespace
}  // namespace penstock::tunnel
