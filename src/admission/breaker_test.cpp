#include "admission/breaker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace penstock::admission {
namespace {

using namespace std::chrono_literals;
using Pass = Breaker::Pass;
using State = Breaker::State;
using Change = Breaker::Change;

constexpr Instant kStart{Duration(1000h)};
constexpr BreakerSettings kSettings{
    .failure_percent = 50, .minimum = 10, .window = 8s, .pause = 1s, .pause_max = 30s};

class Breakers : public testing::Test {
 protected:
  void fail(int times) {
    for (int i = 0; i < times; ++i) breaker.failed(kSettings, Pass::kGranted, Code::kRefused, now);
  }
  void succeed(int times) {
    for (int i = 0; i < times; ++i) breaker.succeeded(kSettings, Pass::kGranted, now);
  }
  Pass ask() { return breaker.ask(kSettings, now); }
  // Open, and its pause is over.
  void half_open() {
    fail(10);
    now = breaker.opens_until();
  }

  Instant now = kStart;
  Breaker breaker{1};
};

TEST_F(Breakers, BeginClosedAndKnowNothing) {
  EXPECT_EQ(breaker.state(now), State::kClosed);
  EXPECT_EQ(ask(), Pass::kGranted);
  EXPECT_EQ(breaker.cause(), std::nullopt);
  EXPECT_TRUE(breaker.idle(kSettings, now));
}

TEST_F(Breakers, OpenAtTheMinimumCountAndNotBefore) {
  fail(9);
  EXPECT_EQ(breaker.state(now), State::kClosed);
  EXPECT_EQ(breaker.failed(kSettings, Pass::kGranted, Code::kDialTimeout, now), Change::kOpened);
  EXPECT_EQ(breaker.state(now), State::kOpen);
  EXPECT_EQ(breaker.cause(), Code::kDialTimeout);
  EXPECT_EQ(ask(), Pass::kRefused);
  EXPECT_FALSE(breaker.idle(kSettings, now));
}

TEST_F(Breakers, OpenAtTheRatioAndNotBelow) {
  succeed(11);
  fail(10);
  EXPECT_EQ(breaker.state(now), State::kClosed) << "10 of 21";
  fail(1);
  EXPECT_EQ(breaker.state(now), State::kOpen) << "11 of 22";
}

TEST_F(Breakers, ForgetWhatTheWindowHasLeftBehind) {
  fail(9);
  now += 8s;
  fail(9);
  EXPECT_EQ(breaker.state(now), State::kClosed);
  now += 7s;  // the second nine are in it still
  fail(1);
  EXPECT_EQ(breaker.state(now), State::kOpen);
}

TEST_F(Breakers, KeepASuccessAsLongAsAFailure) {
  succeed(20);
  now += 7s;
  fail(10);
  EXPECT_EQ(breaker.state(now), State::kClosed) << "10 of 30";
  now += 1s;  // the successes go
  fail(1);
  EXPECT_EQ(breaker.state(now), State::kOpen) << "11 of 11";
}

TEST_F(Breakers, LetOneProbePassWhenThePauseIsOver) {
  half_open();
  EXPECT_EQ(breaker.state(now), State::kHalfOpen);
  EXPECT_EQ(ask(), Pass::kProbe);
  EXPECT_EQ(ask(), Pass::kRefused) << "a second one beside the probe";
}

TEST_F(Breakers, CloseWhenTheProbeSucceedsAndStartAnew) {
  half_open();
  EXPECT_EQ(breaker.succeeded(kSettings, ask(), now), Change::kClosed);
  EXPECT_EQ(breaker.state(now), State::kClosed);
  EXPECT_EQ(breaker.cause(), std::nullopt);
  fail(9);
  EXPECT_EQ(breaker.state(now), State::kClosed) << "old failures count no more";
}

TEST_F(Breakers, OpenAgainWhenTheProbeFails) {
  half_open();
  EXPECT_EQ(breaker.failed(kSettings, ask(), Code::kUnroutable, now), Change::kNone);
  EXPECT_EQ(breaker.state(now), State::kOpen);
  EXPECT_EQ(breaker.cause(), Code::kUnroutable);
  EXPECT_EQ(ask(), Pass::kRefused);
}

TEST_F(Breakers, SendAnotherProbeWhenOneIsLost) {
  half_open();
  breaker.abandoned(ask());
  EXPECT_EQ(breaker.state(now), State::kHalfOpen);
  EXPECT_EQ(ask(), Pass::kProbe);
  breaker.abandoned(Pass::kGranted);  // not the probe
  EXPECT_EQ(ask(), Pass::kRefused);
}

TEST_F(Breakers, DoNotHearThoseWhoSetOutBeforeTheyOpened) {
  fail(10);
  const Instant until = breaker.opens_until();
  EXPECT_EQ(breaker.succeeded(kSettings, Pass::kGranted, now), Change::kNone);
  EXPECT_EQ(breaker.failed(kSettings, Pass::kGranted, Code::kRefused, now + 500ms), Change::kNone);
  EXPECT_EQ(breaker.opens_until(), until);
  EXPECT_EQ(breaker.state(now), State::kOpen);
}

TEST_F(Breakers, DoubleTheirPauseUpToTheLongest) {
  Duration longest = 1s;
  fail(10);
  for (int failed_probes = 0; failed_probes < 12; ++failed_probes) {
    const Duration pause = breaker.opens_until() - now;
    EXPECT_GE(pause, longest / 2) << failed_probes;
    EXPECT_LE(pause, longest) << failed_probes;
    longest = std::min<Duration>(longest * 2, 30s);
    now = breaker.opens_until();
    breaker.failed(kSettings, ask(), Code::kRefused, now);
  }
  now = breaker.opens_until();
  breaker.succeeded(kSettings, ask(), now);
  fail(10);
  EXPECT_LE(breaker.opens_until() - now, 1s) << "a success ends the doubling";
}

TEST_F(Breakers, DoNotProbeInStep) {
  std::vector<Duration> pauses;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Breaker one(seed);
    for (int i = 0; i < 10; ++i) one.failed(kSettings, Pass::kGranted, Code::kRefused, now);
    pauses.push_back(one.opens_until() - now);
  }
  const auto [least, most] = std::ranges::minmax(pauses);
  EXPECT_GE(least, 500ms);
  EXPECT_LE(most, 1s);
  EXPECT_LT(least, 550ms) << "half of the pause is chance";
  EXPECT_GT(most, 950ms);
}

TEST_F(Breakers, AreOffAtZeroPercentAlsoWhileOpen) {
  fail(10);
  BreakerSettings off = kSettings;
  off.failure_percent = 0;
  EXPECT_EQ(breaker.ask(off, now), Pass::kGranted);
  Breaker other(1);
  for (int i = 0; i < 100; ++i) other.failed(off, Pass::kGranted, Code::kRefused, now);
  EXPECT_EQ(other.state(now), State::kClosed);
}

TEST_F(Breakers, AreIdleOnceNoFailureIsInTheWindow) {
  fail(1);
  EXPECT_FALSE(breaker.idle(kSettings, now));
  now += 8s;
  EXPECT_TRUE(breaker.idle(kSettings, now));
  succeed(3);
  EXPECT_TRUE(breaker.idle(kSettings, now));
}

// Whatever happens in whatever order: it opens only over enough failures, lets one probe pass at a
// time, and never refuses for longer than the longest pause while nobody probes.
TEST(BreakerWindow, ForgetsWhatIsOldUnderALongerWindowAsWell) {
  BreakerSettings settings{.minimum = 4, .window = std::chrono::seconds(1)};
  Breaker breaker(1);
  Instant now{std::chrono::hours(1)};
  for (int i = 0; i < 3; ++i)
    breaker.failed(settings, Breaker::Pass::kGranted, Code::kRefused, now);
  settings.window = std::chrono::seconds(100);  // a reload
  now += std::chrono::seconds(1000);
  EXPECT_EQ(breaker.failed(settings, Breaker::Pass::kGranted, Code::kRefused, now),
            Breaker::Change::kNone);
}

TEST(BreakerSchedules, NeverBreakTheirRules) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  for (int run = 0; run < 200; ++run) {
    Breaker breaker(random.next());
    Instant now = kStart;
    Instant last_granted = now;
    std::vector<Pass> out;
    std::vector<Instant> failures;
    for (int step = 0; step < 500; ++step) {
      now += std::chrono::milliseconds(random.below(300));
      if (random.below(2) == 0) {
        const Pass pass = breaker.ask(kSettings, now);
        const bool probing = std::ranges::count(out, Pass::kProbe) != 0;
        if (pass == Pass::kRefused) {
          if (!probing) EXPECT_LE(now - last_granted, 30s + 300ms);
          EXPECT_NE(breaker.state(now), State::kClosed);
          continue;
        }
        EXPECT_FALSE(pass == Pass::kProbe && probing);
        EXPECT_EQ(pass == Pass::kProbe, breaker.state(now) == State::kHalfOpen);
        last_granted = now;
        out.push_back(pass);
      } else if (!out.empty()) {
        const size_t which = random.below(out.size());
        const Pass pass = out[which];
        out.erase(out.begin() + static_cast<ptrdiff_t>(which));
        last_granted = now;
        const uint64_t ending = random.below(4);
        if (ending == 0) {
          breaker.abandoned(pass);
        } else if (ending == 1) {
          const auto change = breaker.succeeded(kSettings, pass, now);
          EXPECT_EQ(change == Change::kClosed, pass == Pass::kProbe);
        } else {
          failures.push_back(now);
          if (breaker.failed(kSettings, pass, Code::kRefused, now) == Change::kOpened) {
            const auto recent = std::ranges::count_if(
                failures, [&](Instant at) { return at > now - kSettings.window; });
            EXPECT_GE(recent, 5) << "half of the minimum";
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace penstock::admission
