#include "plan/plan.h"

#include <gtest/gtest.h>

#include <cmath>

#include "admission/descriptors.h"
#include "base/random.h"

namespace penstock::plan {
namespace {

Demand demand() {
  return {.rate = 20'000,
          .setup_seconds = 0.035,
          .lifetime_seconds = 90,
          .cpu_per_connect = 80e-6,
          .bytes_per_second = 5e8,
          .cpu_per_gib = 0.25,
          .destinations = 50};
}

const Reach* reach_of(const Sizing& sizing, Resource resource) {
  for (const Reach& reach : sizing.reaches) {
    if (reach.resource == resource) return &reach;
  }
  return nullptr;
}

TEST(Demand, IsLittlesLaw) {
  EXPECT_NEAR(demand().pending(), 700, 1e-9);
  EXPECT_NEAR(demand().connections(), 1'800'700, 1e-6);
  EXPECT_NEAR(demand().connect_cpus(), 1.6, 1e-12);
  EXPECT_NEAR(demand().carry_cpus(), 0.1164, 1e-4);
  EXPECT_NEAR(demand().at_rate(10'000).carry_cpus(), demand().carry_cpus() / 2, 1e-12);
}

TEST(Plan, CarriesItsLoadWithinTheGoalAndWithNoInstanceToSpare) {
  const Goal goal;
  const auto sizing = plan(demand(), goal, {});
  ASSERT_TRUE(sizing);
  for (const Resource resource : kResources) {
    EXPECT_TRUE(carries(resource, demand(), goal, sizing->one, sizing->instances))
        << word(resource);
  }
  EXPECT_EQ(sizing->instances, 4u) << "1,800,700 seats, of which a process has 491,448 at most";
  EXPECT_LE(sizing->apart.wait_percentile(goal.percentile), goal.max_wait);
  EXPECT_LE(sizing->seat_blocking, goal.blocking);
  EXPECT_EQ(sizing->permits_least, poisson_quantile(700.0 / 4, goal.blocking) + 1);
}

TEST(Plan, NeedsNoFewerWorkersApartThanPooled) {
  for (const double cost : {20e-6, 80e-6, 300e-6, 2e-3}) {
    Demand one = demand();
    one.cpu_per_connect = cost;
    const auto sizing = plan(one, {}, {});
    ASSERT_TRUE(sizing) << cost;
    EXPECT_GE(sizing->workers_apart, sizing->workers_pooled) << cost;
    EXPECT_GE(sizing->workers_pooled, one.cpus()) << cost;
  }
}

TEST(Plan, KeepsTheLimitsThatItIsGiven) {
  const Instance limits{.workers = 2, .nofile = 20'000, .permits = 50, .source_addresses = 3};
  const auto sizing = plan(demand(), {}, limits);
  ASSERT_TRUE(sizing);
  EXPECT_EQ(sizing->one.workers, 2u);
  EXPECT_EQ(sizing->one.nofile, 20'000u);
  EXPECT_EQ(sizing->one.permits, 50u);
  EXPECT_EQ(sizing->one.source_addresses, 3u);
  EXPECT_EQ(sizing->one.seats, admission::descriptor_budget(20'000, 2).seats);
}

TEST(Plan, SaysWhatDoesNotSuffice) {
  const auto seats = plan(demand(), {}, {.nofile = 64});
  ASSERT_FALSE(seats);
  EXPECT_EQ(seats.error(), Resource::kSeats);
  const auto memory = plan(demand(), {}, {.memory_bytes = 1 << 20});
  ASSERT_FALSE(memory);
  EXPECT_EQ(memory.error(), Resource::kMemory);
  Demand one_origin = demand();
  one_origin.destinations = 1;
  one_origin.rate = 2.5e6;
  const auto ports = plan(one_origin, {}, {.source_addresses = 1});
  ASSERT_FALSE(ports);
  EXPECT_EQ(ports.error(), Resource::kPorts);
}

// What a reach says is where the resource stops to carry, from both sides.
TEST(Assess, TurnsEachResourceRoundExactly) {
  const Goal goal;
  const Instance one{.workers = 2,
                     .nofile = 20'000,
                     .seats = 9263,
                     .permits = 100,
                     .source_addresses = 2,
                     .memory_bytes = uint64_t{4} << 30};
  Demand load = demand();
  load.rate = 90;
  const Sizing sizing = assess(load, goal, one, 1);
  ASSERT_EQ(sizing.reaches.size(), 5u);
  double last = 0;
  for (const Reach& reach : sizing.reaches) {
    SCOPED_TRACE(word(reach.resource));
    EXPECT_GE(reach.rate_most, last) << "what runs out first stands first";
    last = reach.rate_most;
    const auto carries_at = [&](double rate, double setup) {
      Demand other = load.at_rate(rate);
      other.setup_seconds = setup;
      return carries(reach.resource, other, goal, one, 1);
    };
    EXPECT_TRUE(carries_at(reach.rate_most * 0.999, load.setup_seconds));
    EXPECT_FALSE(carries_at(reach.rate_most * 1.001, load.setup_seconds));
    if (std::isinf(reach.setup_most)) continue;
    EXPECT_TRUE(carries_at(load.rate, reach.setup_most * 0.999));
    EXPECT_FALSE(carries_at(load.rate, reach.setup_most * 1.001));
  }
  EXPECT_TRUE(std::isinf(reach_of(sizing, Resource::kWorkers)->setup_most))
      << "a set-up that waits costs no CPU";
}

TEST(Assess, LeavesMemoryOutThatNobodyLimits) {
  const auto sizing = plan(demand(), {}, {});
  ASSERT_TRUE(sizing);
  EXPECT_EQ(reach_of(*sizing, Resource::kMemory), nullptr);
  EXPECT_GT(sizing->memory_bytes, 0);
}

TEST(Plan, OfMoreLoadNeverNeedsLess) {
  constexpr uint64_t kSeed = 11;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  Random random(kSeed);
  for (int i = 0; i < 20; ++i) {
    Demand small = demand();
    small.rate = static_cast<double>(1 + random.below(30'000));
    small.setup_seconds = random.unit();
    small.lifetime_seconds = 60 * random.unit();
    const Demand great = small.at_rate(small.rate * 1.5);
    const Instance limits{.workers = 1 + random.below(8),
                          .nofile = 20'000 + random.below(1'000'000)};
    const auto less = plan(small, {}, limits), more = plan(great, {}, limits);
    ASSERT_TRUE(less && more) << i;
    EXPECT_LE(less->instances, more->instances) << i;
    EXPECT_LE(less->workers_apart, more->workers_apart) << i;
  }
}

}  // namespace
}  // namespace penstock::plan
