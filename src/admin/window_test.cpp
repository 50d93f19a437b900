#include "admin/window.h"

#include <gtest/gtest.h>

#include <chrono>

#include "plan/erlang.h"

namespace penstock::admin {
namespace {

using namespace std::chrono_literals;
using observe::Census;
using session::Sample;
using Answers = std::vector<std::optional<Sample>>;

constexpr Instant kStart{5000s};

// A worker that does the same each second: 100 set-ups of 20 ms, 10 tunnels of 3 s, half of its
// time busy.
Sample steady(int second) {
  const auto seconds = static_cast<uint64_t>(second);
  const auto population = [&](uint64_t rate, uint64_t stay_ns) {
    return Census{rate * seconds, rate * seconds, rate * seconds * stay_ns,
                  rate * seconds * stay_ns};
  };
  return {.at = kStart + second * 1s,
          .set_ups = population(100, 20'000'000),
          .tunnels = population(10, 3'000'000'000),
          .busy_ns = seconds * 500'000'000,
          .cpu = second * 400ms,
          .bytes = seconds * 1'000'000};
}

TEST(Window, HasNothingToSayBeforeItsSecondSample) {
  Window window;
  EXPECT_FALSE(window.measured());
  window.add({steady(0)});
  EXPECT_FALSE(window.measured());
  window.add({steady(1)});
  ASSERT_TRUE(window.measured());
  EXPECT_DOUBLE_EQ(window.measured()->seconds, 1) << "no more than it has seen";
}

TEST(Window, MeasuresRatesStaysAndPresenceOfAllWorkers) {
  Window window;
  for (int second = 0; second <= 10; ++second) window.add({steady(second), steady(second)});
  const auto measured = window.measured();
  ASSERT_TRUE(measured);
  EXPECT_DOUBLE_EQ(measured->seconds, 10);
  EXPECT_DOUBLE_EQ(measured->set_ups.lambda, 200);
  EXPECT_DOUBLE_EQ(*measured->set_ups.w, 0.020);
  EXPECT_DOUBLE_EQ(measured->set_ups.l, 4);
  EXPECT_DOUBLE_EQ(*measured->set_ups.lambda_w(), 4);
  EXPECT_DOUBLE_EQ(measured->tunnels.l, 60);
  EXPECT_DOUBLE_EQ(measured->bytes_per_second, 2e6);
  EXPECT_DOUBLE_EQ(measured->mean_utilisation(), 0.5);
  EXPECT_DOUBLE_EQ(*measured->cpu_per_set_up, 0.004);
}

TEST(Window, ForgetsWhatIsOlderThanTenSteps) {
  Window window;
  Sample busy = steady(0);
  window.add({busy});
  for (int second = 1; second <= 30; ++second) {
    busy.at = kStart + second * 1s;
    if (second <= 15) busy.set_ups.arrivals += 1000;
    window.add({busy});
  }
  const auto measured = window.measured();
  ASSERT_TRUE(measured);
  EXPECT_DOUBLE_EQ(measured->seconds, 10);
  EXPECT_EQ(measured->set_ups.lambda, 0);
}

TEST(Window, MeasuresAWorkerThatAnsweredLateOverItsOwnStretch) {
  Window window;
  window.add({steady(0), steady(0)});
  Sample late = steady(4);  // it has done the work of four seconds, in four seconds
  window.add({steady(2), late});
  EXPECT_DOUBLE_EQ(window.measured()->set_ups.lambda, 200);
}

TEST(Window, LetsAWorkerThatDidNotAnswerStandAsItWasAndTakesItForBusy) {
  Window window;
  window.add(Answers{std::nullopt, steady(0)});
  EXPECT_FALSE(window.measured()) << "there is nothing to begin with";
  window.add({steady(0), steady(0)});
  window.add({steady(1), std::nullopt});
  const auto measured = window.measured();
  ASSERT_TRUE(measured);
  EXPECT_DOUBLE_EQ(measured->set_ups.lambda, 100);
  EXPECT_EQ(measured->utilisation, (std::vector<double>{0.5, 1}));
}

TEST(Window, ForeseesWaitsByErlangsFormula) {
  Window window;
  for (int second = 0; second <= 10; ++second) window.add({steady(second), steady(second)});
  const auto measured = window.measured();
  EXPECT_DOUBLE_EQ(measured->p_wait, plan::erlang_c(2, 1.0));
  // C(2, 1) = 1/3; the mean wait is C S / (c - a), S = 1 Erlang over 200/s.
  EXPECT_NEAR(*measured->mean_wait, (1.0 / 3) * 0.005 / (2 - 1), 1e-12);
}

TEST(Window, ForeseesNoEndOfTheWaitWhereEveryWorkerIsAlwaysBusy) {
  Window window;
  Sample all = steady(0);
  window.add({all});
  all = steady(10);
  all.busy_ns = 10'100'000'000;  // a turn that began before the window
  window.add({all});
  const auto measured = window.measured();
  EXPECT_DOUBLE_EQ(measured->utilisation.at(0), 1);
  EXPECT_DOUBLE_EQ(measured->p_wait, 1);
  EXPECT_FALSE(measured->mean_wait);
}

}  // namespace
}  // namespace penstock::admin
