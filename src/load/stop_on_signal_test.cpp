#include "load/stop_on_signal.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <future>

namespace penstock::load {
namespace {

bool is_blocked(int signal) {
  sigset_t mask;
  EXPECT_EQ(pthread_sigmask(SIG_SETMASK, nullptr, &mask), 0);
  return sigismember(&mask, signal) == 1;
}

class StopsOn : public testing::TestWithParam<int> {};

TEST_P(StopsOn, TheSignal) {
  const StopOnSignal signals;
  EXPECT_FALSE(signals.signalled());
  std::promise<void> told;
  const std::stop_callback callback(signals.token(), [&] { told.set_value(); });
  ASSERT_EQ(::kill(::getpid(), GetParam()), 0);
  told.get_future().wait();
  EXPECT_TRUE(signals.signalled());
}

INSTANTIATE_TEST_SUITE_P(StopOnSignal, StopsOn, testing::Values(SIGINT, SIGTERM));

TEST(StopOnSignal, RestoresTheMaskAndStopsNobodyByItsEnd) {
  std::stop_token token;
  {
    const StopOnSignal signals;
    EXPECT_TRUE(is_blocked(SIGTERM));
    token = signals.token();
  }
  EXPECT_FALSE(token.stop_requested());
  EXPECT_FALSE(is_blocked(SIGINT));
  EXPECT_FALSE(is_blocked(SIGTERM));
}

TEST(StopOnSignalDeathTest, ASecondSignalEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto told_twice = [] {
    const StopOnSignal signals;
    std::promise<void> told;
    const std::stop_callback callback(signals.token(), [&] { told.set_value(); });
    ::kill(::getpid(), SIGINT);
    told.get_future().wait();
    ::kill(::getpid(), SIGINT);
    for (;;) ::pause();
  };
  EXPECT_EXIT(told_twice(), testing::ExitedWithCode(130), "");
}

}  // namespace
}  // namespace penstock::load
