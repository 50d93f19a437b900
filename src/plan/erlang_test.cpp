#include "plan/erlang.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/random.h"

namespace penstock::plan {
namespace {

// Seventeen digits of a computation with fifty (python3, mpmath, mp.dps = 50):
//   def B(c, a):
//       inverse = mpf(1)
//       for n in range(1, c + 1): inverse = 1 + n * inverse / mpf(a)
//       return 1 / inverse
//   def C(c, a): return B(c, a) / (1 - mpf(a) / c * (1 - B(c, a)))
struct Reference {
  uint64_t servers;
  double load, b, c;
};
constexpr Reference kReference[] = {
    {1, 0.000001, 9.99999000001e-7, 1.0e-6},
    {1, 1, 0.5, 1.0},
    {2, 1.716, 0.35153120768000978, 0.79242626480086114},
    {5, 3, 0.11005434782608696, 0.23615160349854227},
    {10, 9.9, 0.20996953749232955, 0.9637384203876213},
    {10, 40, 0.75768771224180818, 1.0},
    {100, 80, 0.0039920286045531975, 0.019646426634359511},
    {100, 99.99, 0.075643152658657347, 0.99877949472954481},
    {1000, 900, 5.9298626701462239e-5, 0.00059266996637878122},
    {1000, 1200, 0.17061255408381634, 1.0},
    {10000, 9900, 0.0028581267388565864, 0.22277692886414824},
    {100000, 90000, 1.98003409635906e-236, 1.98003409635906e-235},
    {100000, 98500, 1.4644775588149378e-8, 9.7631743364459367e-7},
    {100000, 99000, 8.2257755985042223e-6, 0.0008219082374107954},
    {100000, 99999, 0.0025125519888942874, 0.99604568156441053},
    {100000, 100000, 0.0025188934235469064, 1.0},
    {100000, 101000, 0.010751611284909119, 1.0},
    {100000, 1000000, 0.90000011111083676, 1.0},
};

TEST(Erlang, AgreesWithFiftyDigitsUpToAHundredThousandServers) {
  for (const Reference& want : kReference) {
    EXPECT_NEAR(erlang_b(want.servers, want.load) / want.b, 1, 1e-11)
        << want.servers << " " << want.load;
    EXPECT_NEAR(erlang_c(want.servers, want.load) / want.c, 1, 1e-11)
        << want.servers << " " << want.load;
  }
}

// The loads that so many servers carry at a blocking, as the tables of traffic engineering print
// them (three or four digits).
TEST(Erlang, AgreesWithThePublishedTablesOfErlangB) {
  struct Row {
    uint64_t servers;
    double blocking, load;
  };
  for (const Row& row :
       {Row{1, 0.01, 0.0101}, Row{5, 0.01, 1.361}, Row{10, 0.01, 4.461}, Row{20, 0.01, 12.03},
        Row{50, 0.01, 37.90}, Row{100, 0.01, 84.06}, Row{10, 0.001, 3.092}, Row{100, 0.001, 75.24},
        Row{10, 0.05, 6.216}, Row{20, 0.02, 13.18}}) {
    EXPECT_NEAR(load_for_blocking(row.servers, row.blocking) / row.load, 1, 0.002)
        << row.servers << " at " << row.blocking;
    EXPECT_EQ(servers_for_blocking(row.load * 0.998, row.blocking), row.servers);
  }
}

// By hand: c = 3, a = 2 gives C = 4/9 and, with a service of 1/3 hour, a queue of 8/9 that waits
// 4/27 hours. One server waits with probability a, for a / (1 - a) services.
TEST(Erlang, AgreesWithWhatIsWorkedOutByHand) {
  const Queue three{.servers = 3, .load = 2, .service = 1.0 / 3};
  EXPECT_NEAR(three.wait_probability(), 4.0 / 9, 1e-15);
  EXPECT_NEAR(three.mean_wait(), 4.0 / 27, 1e-15);
  EXPECT_NEAR(erlang_b(3, 2), 4.0 / 19, 1e-15);
  const Queue one{.servers = 1, .load = 0.8, .service = 1};
  EXPECT_NEAR(one.wait_probability(), 0.8, 1e-15);
  EXPECT_NEAR(one.mean_wait(), 4, 1e-12);
  EXPECT_NEAR(one.wait_beyond(5), 0.8 * std::exp(-1.0), 1e-12);
}

TEST(Erlang, AtItsLimitsIsWhatItHasToBe) {
  EXPECT_EQ(erlang_b(0, 5), 1);
  EXPECT_EQ(erlang_b(7, 0), 0);
  EXPECT_EQ(erlang_b(0, 0), 1);
  EXPECT_EQ(erlang_c(3, 0), 0);
  EXPECT_EQ(erlang_c(3, 3), 1);
  EXPECT_EQ(erlang_c(3, 1e9), 1);
  EXPECT_EQ(erlang_b(100'000, 1), 0) << "smaller than any double, and not a NaN";
  EXPECT_NEAR(erlang_b(1'000'000, 1e8), 0.99, 1e-9);
  const Queue full{.servers = 2, .load = 2, .service = 1};
  EXPECT_TRUE(std::isinf(full.mean_wait()));
  EXPECT_TRUE(std::isinf(full.wait_percentile(0.5)));
  EXPECT_EQ(full.wait_beyond(1e6), 1);
}

TEST(Erlang, OverRandomSystemsIsMonotoneAndBlocksLessThanItWaits) {
  constexpr uint64_t kSeed = 20'261'125;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  Random random(kSeed);
  // The recursion may begin at another server for the greater system, and differ in the last digit.
  const double last_digit = 1 + 1e-13;
  for (int i = 0; i < 2000; ++i) {
    const uint64_t servers = 1 + random.below(uint64_t{1} << random.below(15));
    const double load =
        static_cast<double>(servers) * static_cast<double>(1 + random.below(1999)) / 1000;
    const double b = erlang_b(servers, load), c = erlang_c(servers, load);
    SCOPED_TRACE(testing::Message() << servers << " servers, load " << load);
    ASSERT_GE(b, 0);
    ASSERT_LE(b, c * last_digit);
    ASSERT_LE(c, 1);
    ASSERT_LE(erlang_b(servers + 1, load), b * last_digit);
    ASSERT_LE(erlang_c(servers + 1, load), c * last_digit);
    ASSERT_GE(erlang_b(servers, load * 1.01) * last_digit, b);
    ASSERT_GE(erlang_c(servers, load * 1.01) * last_digit, c);
    // Nobody is served beyond what the servers can do: (1 - B) a <= c.
    ASSERT_LE((1 - b) * load, static_cast<double>(servers) * last_digit);
  }
}

TEST(Queue, OfVaryingServicesWaitsInProportionToTheirVariation) {
  Queue queue{.servers = 4, .load = 3, .service = 0.001};
  const double exponential = queue.mean_wait();
  queue.service_cv = 0;
  EXPECT_DOUBLE_EQ(queue.mean_wait(), exponential / 2) << "M/D/c waits half as long";
  queue.service_cv = 3;
  EXPECT_DOUBLE_EQ(queue.mean_wait(), exponential * 5);
  EXPECT_DOUBLE_EQ(queue.wait_probability(), erlang_c(4, 3));
  queue.arrival_cv = 0;
  queue.service_cv = 0;
  EXPECT_EQ(queue.mean_wait(), 0);
  EXPECT_EQ(queue.wait_beyond(0), 0);
  EXPECT_EQ(queue.wait_percentile(0.9999), 0);
}

// For one server the formula is exact for any service (Pollaczek and Khinchine, 1930).
TEST(Queue, OfOneServerIsPollaczekAndKhinchines) {
  const Queue queue{.servers = 1, .load = 0.6, .service = 2, .service_cv = 1.7};
  EXPECT_NEAR(queue.mean_wait(), 0.6 * 2 * (1 + 1.7 * 1.7) / (2 * (1 - 0.6)), 1e-12);
}

TEST(Queue, ItsPercentilesAreWhereItsTailIs) {
  const Queue queue{.servers = 8, .load = 7.5, .service = 80e-6, .service_cv = 1.5};
  for (const double share : {0.5, 0.9, 0.99, 0.99999}) {
    const double wait = queue.wait_percentile(share);
    EXPECT_NEAR(queue.wait_beyond(wait), 1 - share, 1e-12) << share;
  }
  const Queue quiet{.servers = 8, .load = 0.5, .service = 80e-6};
  EXPECT_EQ(quiet.wait_percentile(0.99), 0) << "fewer than 1 % wait at all";
}

TEST(Inverses, AreTheLeastAndTheGreatestThatDo) {
  constexpr uint64_t kSeed = 4;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  Random random(kSeed);
  for (int i = 0; i < 300; ++i) {
    const double load = static_cast<double>(1 + random.below(100'000)) / 100;
    const double target = std::pow(10, -static_cast<double>(1 + random.below(6)));
    SCOPED_TRACE(testing::Message() << "load " << load << ", target " << target);
    const uint64_t servers = servers_for_blocking(load, target);
    ASSERT_LE(erlang_b(servers, load), target);
    if (servers > 0) ASSERT_GT(erlang_b(servers - 1, load), target);
    const double most = load_for_blocking(servers, target);
    ASSERT_GE(most, load * (1 - 1e-12));
    ASSERT_GT(erlang_b(servers, most * (1 + 1e-9)), target);

    Queue queue{.load = load, .service = 80e-6};
    const WaitTarget wait{.share = target, .time = 1e-3};
    queue.servers = servers_for_wait(queue, wait);
    ASSERT_TRUE(wait.met_by(queue));
    ASSERT_GE(load_for_wait(queue, wait), load * (1 - 1e-12));
    --queue.servers;
    ASSERT_FALSE(queue.servers > 0 && wait.met_by(queue));
  }
}

TEST(Inverses, OfGreatSystemsTakeNoTimeToSpeakOf) {
  // Two million tunnels. A recursion over each server, in each of 30 bisections, would be felt.
  const uint64_t servers = servers_for_blocking(1'800'700, 1e-4);
  EXPECT_GT(servers, 1'800'700u);
  EXPECT_LT(servers, 1'807'000u);
  EXPECT_EQ(servers_for_blocking(0, 0.01), 1u);
}

// mpmath again: the terms e^-m m^n / n! added up with fifty digits.
TEST(PoissonQuantile, AgreesWithFiftyDigits) {
  EXPECT_EQ(poisson_quantile(0, 0.01), 0u);
  EXPECT_EQ(poisson_quantile(0.5, 1e-4), 5u);
  EXPECT_EQ(poisson_quantile(2.6, 0.01), 7u);
  EXPECT_EQ(poisson_quantile(100, 1e-4), 139u);
  EXPECT_EQ(poisson_quantile(499, 1e-4), 584u);
  EXPECT_EQ(poisson_quantile(500, 1e-4), 585u) << "another way of counting begins here";
  EXPECT_EQ(poisson_quantile(700, 1e-4), 801u);
  EXPECT_EQ(poisson_quantile(700, 1e-6), 829u);
  EXPECT_EQ(poisson_quantile(50'000, 1e-4), 50'834u);
}

}  // namespace
}  // namespace penstock::plan
