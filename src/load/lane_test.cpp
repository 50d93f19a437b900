#include "load/lane.h"

#include <gtest/gtest.h>

#include <set>

#include "load/alarm.h"
#include "load/arrivals.h"
#include "load/dialer.h"

namespace penstock::load {
namespace {

TEST(Share, OfAllLanesTogetherIsTheWhole) {
  Options whole;
  whole.rate = 1000;
  whole.connections = 11;
  whole.connections_max = 101;
  whole.count = 1001;
  Options sum;
  sum.connections = sum.connections_max = 0;
  for (int i = 0; i < 3; ++i) {
    const Options share = share_of(whole, i, 3);
    sum.rate += share.rate;
    sum.connections += share.connections;
    sum.connections_max += share.connections_max;
    sum.count += share.count;
  }
  EXPECT_DOUBLE_EQ(sum.rate, 1000);
  EXPECT_EQ(sum.connections, 11);
  EXPECT_EQ(sum.connections_max, 101);
  EXPECT_EQ(sum.count, 1001u);
}

TEST(Share, DrawsOtherNumbersInEachLane) {
  Options whole;
  std::set<Duration> gaps;
  constexpr int kLanes = 4, kGaps = 200;
  for (int i = 0; i < kLanes; ++i) {
    ArrivalTimes times(1, Arrivals::kExponential, share_of(whole, i, kLanes).seed);
    Duration last{};
    for (int j = 0; j < kGaps; ++j) {
      const Duration at = times.next();
      gaps.insert(std::chrono::round<std::chrono::microseconds>(at - last));
      last = at;
    }
  }
  EXPECT_GT(gaps.size(), static_cast<size_t>(kLanes * kGaps) * 9 / 10)
      << "the lanes' numbers are the same, perhaps in another order";
}

TEST(Sources, AreManyAddressesOf127ForANextHopThere) {
  const auto at = [](std::string_view text) { return Endpoint::parse(text).value(); };
  const auto sources = loopback_sources(at("127.0.1.5:1"), 60'000);
  const std::set<IpAddress> different(sources.begin(), sources.end());
  EXPECT_EQ(different.size(), 59'999u) << "all but the next hop itself";
  EXPECT_FALSE(different.contains(at("127.0.1.5:1").address));
  for (const IpAddress& source : different) ASSERT_EQ(source.bytes[0], 127);
  EXPECT_TRUE(loopback_sources(at("10.0.0.1:1"), 64).empty());
  EXPECT_TRUE(loopback_sources(at("[::1]:1"), 64).empty());
}

loop::RootTask wake(loop::Loop& loop, Alarm& alarm, Instant at, Instant* woken) {
  co_await alarm.wait_until(at);
  *woken = Clock::now();
  loop.stop();
}

TEST(Alarm, WakesNeverEarlyAndForThePastAtOnce) {
  loop::Loop loop;
  Alarm alarm(loop);
  loop::TaskSet tasks;
  for (int i = 1; i <= 20; ++i) {
    const Instant at = Clock::now() + std::chrono::microseconds(i * 37);
    Instant woken{};
    tasks.start(wake(loop, alarm, at, &woken));
    if (!tasks.empty()) loop.run();
    EXPECT_GE(woken, at);
  }
  Instant woken{};
  tasks.start(wake(loop, alarm, Clock::now(), &woken));
  EXPECT_NE(woken, Instant{});
}

}  // namespace
}  // namespace penstock::load
