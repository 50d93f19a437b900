#include "admission/shedding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <random>

namespace penstock::admission {
namespace {

using namespace std::chrono_literals;
using Shares = std::vector<uint64_t>;

Instant at(int seconds) {
  return Instant(std::chrono::seconds(seconds));
}

TEST(Shedding, ClosesNobodyWhereNobodyWasRefused) {
  EXPECT_EQ(idle_to_close({}, 0), 0u) << "a full house alone is no reason";
  EXPECT_EQ(idle_to_close({}, 100), 0u);
}

TEST(Shedding, ClosesAsManyAsWereRefusedAndAnEighthMore) {
  EXPECT_EQ(idle_to_close({.for_seats = 1}, 0), 2u);
  EXPECT_EQ(idle_to_close({.for_seats = 80}, 0), 91u);
}

TEST(Shedding, MakesNoSeatThatHasBecomeFreeMeanwhile) {
  EXPECT_EQ(idle_to_close({.for_seats = 80}, 90), 1u);
  EXPECT_EQ(idle_to_close({.for_seats = 80}, 91), 0u);
  EXPECT_EQ(idle_to_close({.for_seats = 80}, 5000), 0u);
}

TEST(Shedding, HoldsFreeSeatsAgainstNoShortageOfMemory) {
  EXPECT_EQ(idle_to_close({.for_memory = 8}, 5000), 10u);
}

TEST(Shares, TakeTheLongestSilencesWhoeverHasThem) {
  const std::vector<std::vector<Instant>> silences{{at(1), at(5), at(9)}, {at(2), at(3)}, {}};
  EXPECT_EQ(shares_of(silences, 0), (Shares{0, 0, 0}));
  EXPECT_EQ(shares_of(silences, 1), (Shares{1, 0, 0}));
  EXPECT_EQ(shares_of(silences, 3), (Shares{1, 2, 0}));
  EXPECT_EQ(shares_of(silences, 4), (Shares{2, 2, 0}));
  EXPECT_EQ(shares_of(silences, 100), (Shares{3, 2, 0})) << "there are no more";
}

TEST(Shares, LeaveNobodyWhoHasBeenSilentForLongerThanOneThatIsClosed) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 dice(seed);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::vector<Instant>> silences(1 + dice() % 5);
    size_t count = 0;
    for (auto& worker : silences) {
      worker.resize(dice() % 20);
      for (Instant& since : worker) since = at(static_cast<int>(dice() % 1000));
      std::ranges::sort(worker);
      count += worker.size();
    }
    const uint64_t wanted = dice() % 60;
    const Shares shares = shares_of(silences, wanted);
    EXPECT_EQ(std::accumulate(shares.begin(), shares.end(), uint64_t{0}),
              std::min<uint64_t>(wanted, count));
    Instant last_closed = Instant::min(), first_left = Instant::max();
    for (size_t i = 0; i < silences.size(); ++i) {
      if (shares[i] > 0) last_closed = std::max(last_closed, silences[i][shares[i] - 1]);
      if (shares[i] < silences[i].size()) first_left = std::min(first_left, silences[i][shares[i]]);
    }
    EXPECT_LE(last_closed, first_left);
  }
}

}  // namespace
}  // namespace penstock::admission
