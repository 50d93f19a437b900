#include "plan/simulate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "plan/erlang.h"

namespace penstock::plan {
namespace {

constexpr double kService = 0.01;

Trial trial(uint64_t servers, double load) {
  return {.gaps = Times::exponential(kService / load),
          .services = Times::exponential(kService),
          .servers = servers,
          .customers = 400'000,
          .warm_up = 50'000,
          .seed = 20'261'125};
}

// The interval holds the exact value, and is narrow enough that a wrong one would fall outside.
void expect_near(const Estimate& estimate, double exact) {
  EXPECT_TRUE(estimate.holds(exact))
      << "simulated " << estimate.mean << " +- " << estimate.spread << ", exact " << exact;
  EXPECT_LT(estimate.spread, exact / 4) << "too wide to tell";
}

TEST(Simulation, OfALossSystemAgreesWithErlangB) {
  for (const auto& [servers, load] : {std::pair{1, 0.5}, {5, 4.0}, {20, 15.0}, {100, 90.0}}) {
    Trial one = trial(static_cast<uint64_t>(servers), load);
    one.waits = false;
    const Outcome outcome = simulate(one);
    const double lost = erlang_b(one.servers, load);
    SCOPED_TRACE(servers);
    expect_near(outcome.turned_away, lost);
    expect_near(outcome.busy, load * (1 - lost));
    EXPECT_EQ(outcome.wait.mean, 0);
  }
}

// Erlang's formula asks for the mean of the holding times and for nothing else about them.
TEST(Simulation, OfALossSystemDoesNotCareHowLifetimesVary) {
  for (const double cv : {0.2, 3.0}) {
    Trial one = trial(20, 15);
    one.waits = false;
    one.services = Times::lognormal(kService, cv);
    SCOPED_TRACE(cv);
    expect_near(simulate(one).turned_away, erlang_b(20, 15));
  }
}

TEST(Simulation, OfAQueueAgreesWithErlangC) {
  for (const auto& [servers, load] : {std::pair{1, 0.6}, {2, 1.6}, {8, 6.0}, {50, 45.0}}) {
    const Trial one = trial(static_cast<uint64_t>(servers), load);
    const Outcome outcome = simulate(one);
    const Queue queue{.servers = one.servers, .load = load, .service = kService};
    SCOPED_TRACE(servers);
    expect_near(outcome.had_to_wait, queue.wait_probability());
    expect_near(outcome.wait, queue.mean_wait());
    expect_near(outcome.wait_percentile, queue.wait_percentile(0.99));
    EXPECT_EQ(outcome.turned_away.mean, 0);
  }
}

TEST(Simulation, OfVaryingServicesAtOneServerAgreesWithPollaczekAndKhinchine) {
  for (const double cv : {0.3, 2.0}) {
    Trial one = trial(1, 0.6);
    one.services = Times::lognormal(kService, cv);
    const Queue queue{.servers = 1, .load = 0.6, .service = kService, .service_cv = cv};
    SCOPED_TRACE(cv);
    expect_near(simulate(one).wait, queue.mean_wait());
  }
}

// With several servers it is an approximation, by a tenth or so where they are busy.
TEST(Simulation, OfVaryingServicesAtSeveralServersIsNearAllenAndCunneen) {
  Trial one = trial(4, 3.4);
  one.services = Times::lognormal(kService, 1.5);
  const Queue queue{.servers = 4, .load = 3.4, .service = kService, .service_cv = 1.5};
  EXPECT_NEAR(simulate(one).wait.mean / queue.mean_wait(), 1, 0.15);
}

TEST(Simulation, PlaysTheSameTwiceAndAnotherWithAnotherSeed) {
  Trial one = trial(2, 1.5);
  one.customers = 10'000;
  const double first = simulate(one).wait.mean;
  EXPECT_EQ(simulate(one).wait.mean, first);
  one.seed = 2;
  EXPECT_NE(simulate(one).wait.mean, first);
}

TEST(Simulation, SaysHowFarItIs) {
  Trial one = trial(2, 1.5);
  double last = 0;
  simulate(one, [&](double share) {
    EXPECT_GT(share, last);
    EXPECT_LE(share, 1);
    last = share;
  });
  EXPECT_GT(last, 0.9);
}

TEST(Times, HaveTheMeanAndVariationThatTheyWereMadeWith) {
  Random random(7);
  for (Times times : {Times::exponential(2), Times::lognormal(2, 0.5), Times::lognormal(2, 2),
                      Times::recorded({1, 1, 1, 5}), Times::replayed({1, 3}).scaled_to(2),
                      Times::recorded({10, 30}).scaled_to(2)}) {
    constexpr int kDraws = 400'000;
    double sum = 0, squares = 0;
    for (int i = 0; i < kDraws; ++i) {
      const double time = times.draw(random);
      sum += time;
      squares += time * time;
    }
    const double mean = sum / kDraws;
    EXPECT_NEAR(mean, 2, 0.03);
    EXPECT_NEAR(mean, times.mean(), 0.03);
    EXPECT_NEAR(std::sqrt(squares / kDraws - mean * mean) / mean, times.cv(), 0.05 * times.cv());
  }
}

TEST(Times, OfAReplayKeepTheirOrder) {
  Random random(7);
  Times times = Times::replayed({1, 2, 3});
  for (const double want : {1, 2, 3, 1, 2}) EXPECT_EQ(times.draw(random), want);
}

}  // namespace
}  // namespace penstock::plan
