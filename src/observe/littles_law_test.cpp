#include "observe/littles_law.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <tuple>
#include <vector>

namespace penstock::observe {
namespace {

using namespace std::chrono_literals;

constexpr Instant kStart{1000s};

// Who came when, and left when.
struct Visit {
  Instant arrived;
  Instant left;
};

// Plays all that happens up to `until`, in order of time, into a fresh population.
Census census_of(const std::vector<Visit>& visits, Instant until) {
  std::vector<std::tuple<Instant, bool, Instant>> events;  // when, a departure, its arrival
  for (const Visit& visit : visits) {
    if (visit.arrived <= until) events.emplace_back(visit.arrived, false, visit.arrived);
    if (visit.left <= until) events.emplace_back(visit.left, true, visit.arrived);
  }
  std::ranges::sort(events);
  Population population;
  for (const auto& [when, departs, arrived] : events) {
    departs ? population.depart(arrived, when) : population.arrive(when);
  }
  population.advance(until);
  return population.census();
}

std::vector<Visit> random_visits(std::mt19937_64& dice, size_t count, Duration horizon,
                                 Duration longest) {
  std::uniform_int_distribution<int64_t> when(0, horizon.count()), stay(0, longest.count());
  std::vector<Visit> out;
  for (size_t i = 0; i < count; ++i) {
    const Instant arrived = kStart + Duration(when(dice));
    out.push_back({arrived, arrived + Duration(stay(dice))});
  }
  return out;
}

TEST(Population, CountsThePresenceOfThoseWhoHaveNotLeft) {
  Population population;
  population.arrive(kStart);
  population.arrive(kStart + 1s);
  population.depart(kStart, kStart + 3s);
  population.advance(kStart + 10s);
  EXPECT_EQ(population.present(), 1u);
  const Census expected{2, 1, 3'000'000'000, 12'000'000'000};  // 3 s of one, 9 s of the other
  EXPECT_EQ(population.census(), expected);
}

TEST(Population, CountsNoTimeTwiceWhenItIsToldAnEarlierOne) {
  Population population;
  population.arrive(kStart);
  population.advance(kStart + 2s);
  population.advance(kStart + 1s);
  population.advance(kStart + 3s);
  EXPECT_EQ(population.census().presence_ns, 3'000'000'000u);
}

TEST(LittlesLaw, HoldsToTheNanosecondWhereAllWhoCameHaveLeft) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 dice(seed);
  for (int schedule = 0; schedule < 200; ++schedule) {
    const size_t count = 1 + dice() % 300;
    const auto visits = random_visits(dice, count, 8s, 2s);
    const Census all = census_of(visits, kStart + 10s);
    ASSERT_EQ(all.arrivals, count);
    ASSERT_EQ(all.present(), 0u);
    ASSERT_EQ(all.presence_ns, all.stayed_ns);
    const LittlesLaw law = littles_law(all, 10);
    EXPECT_NEAR(law.l, *law.lambda_w(), 1e-9 * law.l);
  }
}

TEST(LittlesLaw, MeasuresWhatHappenedBetweenTwoCensuses) {
  // One comes each 100 ms and stays for 250 ms: 10 per second, 2.5 present, from 1 s on for ever.
  std::vector<Visit> visits;
  for (int i = 0; i < 200; ++i) {
    const Instant arrived = kStart + i * 100ms;
    visits.push_back({arrived, arrived + 250ms});
  }
  const Census passed = census_of(visits, kStart + 12s) - census_of(visits, kStart + 2s);
  const LittlesLaw law = littles_law(passed, 10);
  EXPECT_DOUBLE_EQ(law.lambda, 10);
  EXPECT_DOUBLE_EQ(*law.w, 0.25);
  EXPECT_DOUBLE_EQ(law.l, 2.5);
  EXPECT_DOUBLE_EQ(*law.lambda_w(), law.l);
}

TEST(LittlesLaw, ShowsASystemThatFillsByItsDifference) {
  // Each stays for 20 s: within the first ten nobody has left.
  std::vector<Visit> visits;
  for (int i = 0; i < 10; ++i) visits.push_back({kStart + i * 1s, kStart + i * 1s + 20s});
  const LittlesLaw filling = littles_law(census_of(visits, kStart + 10s), 10);
  EXPECT_DOUBLE_EQ(filling.lambda, 1);
  EXPECT_DOUBLE_EQ(filling.l, 5.5);
  EXPECT_FALSE(filling.w);
  EXPECT_FALSE(filling.lambda_w()) << "nobody knows how long they will stay";
}

TEST(LittlesLaw, ExpectsNobodyWhereNobodyCame) {
  const LittlesLaw law = littles_law(Census{}, 10);
  EXPECT_EQ(law.l, 0);
  EXPECT_EQ(law.lambda_w(), 0);
  EXPECT_FALSE(law.w);
}

}  // namespace
}  // namespace penstock::observe
