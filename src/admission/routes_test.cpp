#include "admission/routes.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace penstock::admission {
namespace {

using namespace std::chrono_literals;

constexpr Instant kStart{Duration(1000h)};
constexpr BreakerSettings kSettings{
    .failure_percent = 50, .minimum = 4, .window = 8s, .pause = 1s, .pause_max = 30s};
const Endpoint kOrigin = *Endpoint::parse("192.0.2.1:443");
const Endpoint kOther = *Endpoint::parse("192.0.2.2:443");

class RouteBreakers : public testing::Test {
 protected:
  void fail(int times, const Endpoint& to = kOrigin) {
    for (int i = 0; i < times; ++i) {
      auto leave = routes.ask(to, now);
      ASSERT_TRUE(leave);
      leave.failed(Code::kRefused, now);
    }
  }

  Instant now = kStart;
  Routes routes{kSettings, 1};
};

TEST_F(RouteBreakers, OpenOneAddressAndLeaveTheOthersAlone) {
  fail(4);
  EXPECT_FALSE(routes.ask(kOrigin, now));
  EXPECT_TRUE(routes.ask(kOther, now));
  EXPECT_TRUE(routes.ask({kOrigin.address, 444}, now));
  EXPECT_EQ(routes.open(), 1u);
  EXPECT_EQ(routes.passed_over(), 1u);
}

TEST_F(RouteBreakers, CountSuccessesBesideFailures) {
  for (int i = 0; i < 20; ++i) routes.ask(kOrigin, now).succeeded(now);
  fail(19);
  EXPECT_TRUE(routes.ask(kOrigin, now)) << "19 of 39";
}

TEST_F(RouteBreakers, HearNothingOfAnAttemptThatIsLetGo) {
  fail(3);
  for (int i = 0; i < 10; ++i) (void)routes.ask(kOrigin, now);
  EXPECT_TRUE(routes.ask(kOrigin, now));
}

TEST_F(RouteBreakers, ProbeWithOneAttemptAtATime) {
  fail(4);
  now += 1s;
  {
    auto probe = routes.ask(kOrigin, now);
    EXPECT_TRUE(probe);
    EXPECT_FALSE(routes.ask(kOrigin, now));
  }
  auto probe = routes.ask(kOrigin, now);  // the first was cancelled
  ASSERT_TRUE(probe);
  auto moved = std::move(probe);
  moved.succeeded(now);
  EXPECT_EQ(routes.open(), 0u);
  EXPECT_TRUE(routes.ask(kOrigin, now));
  EXPECT_TRUE(routes.ask(kOrigin, now));
}

TEST_F(RouteBreakers, ForgetThoseThatHaveNotFailedLately) {
  for (uint16_t port = 1; port <= 1000; ++port) fail(1, {kOrigin.address, port});
  EXPECT_EQ(routes.remembered(), 1000u);
  now += 1min;
  for (uint16_t port = 1001; port <= 2000; ++port) fail(1, {kOrigin.address, port});
  EXPECT_EQ(routes.remembered(), 1000u);
}

TEST_F(RouteBreakers, RememberABoundedNumberAndNeverForgetAnOpenOne) {
  fail(4);
  for (uint32_t i = 0; i < 3 * Routes::kRoutesMax; ++i) {
    fail(1,
         {IpAddress::from_v4(198, 51, static_cast<uint8_t>(i >> 16), 1), static_cast<uint16_t>(i)});
  }
  EXPECT_LE(routes.remembered(), Routes::kRoutesMax);
  EXPECT_FALSE(routes.ask(kOrigin, now));
}

TEST_F(RouteBreakers, AreForgottenWhenTheyAreTurnedOff) {
  fail(4);
  auto under_way = routes.ask(kOther, now);
  BreakerSettings off = kSettings;
  off.failure_percent = 0;
  routes.set(off);
  EXPECT_TRUE(routes.ask(kOrigin, now));
  fail(100);
  under_way.failed(Code::kRefused, now);
  EXPECT_EQ(routes.open(), 0u);
  EXPECT_EQ(routes.remembered(), 0u);
}

TEST(RouteThreads, CountOpenOnesExactly) {
  Routes routes(kSettings, 1);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&routes] {
      Instant now = kStart;
      for (int i = 0; i < 20'000; ++i) {
        now += 1ms;
        const Endpoint to{kOrigin.address, static_cast<uint16_t>(1 + i % 5)};
        auto leave = routes.ask(to, now);
        if (leave && i % 3 == 0) leave.succeeded(now);
        if (leave) leave.failed(Code::kRefused, now);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  uint64_t refused = 0;
  for (uint16_t port = 1; port <= 5; ++port) {
    if (!routes.ask({kOrigin.address, port}, kStart)) ++refused;
  }
  EXPECT_EQ(routes.open(), refused);
}

}  // namespace
}  // namespace penstock::admission
