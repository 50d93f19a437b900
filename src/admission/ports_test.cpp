#include "admission/ports.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <thread>
#include <vector>

#include "base/random.h"

namespace penstock::admission {
namespace {

using namespace std::chrono_literals;

constexpr Instant kStart{Duration(1000h)};
const Endpoint kOrigin = *Endpoint::parse("192.0.2.1:443");
const Endpoint kOther = *Endpoint::parse("192.0.2.1:444");
const Endpoint kHere = *Endpoint::parse("127.0.0.1:443");
const IpAddress kA = *IpAddress::parse("198.51.100.1");
const IpAddress kB = *IpAddress::parse("198.51.100.2");

PortRoom room_for(uint32_t ports) {
  return {.first = 40000, .ports = ports, .rest_on_loopback = 1s, .rest = 60s};
}

class PortLedger : public testing::Test {
 protected:
  PortShare take(const Endpoint& to = kOrigin) { return ports.take({}, to, now); }
  // So many that stay.
  std::vector<PortShare> take_many(int count, const Endpoint& to = kOrigin) {
    std::vector<PortShare> out;
    for (int i = 0; i < count; ++i) {
      out.push_back(take(to));
      EXPECT_TRUE(out.back());
    }
    return out;
  }
  // What a connect() does that finds no port.
  void kernel_refuses(const Endpoint& to = kOrigin) {
    PortShare share = take(to);
    ASSERT_TRUE(share) << "the kernel was to be asked";
    share.refused(now);
  }
  Ports::Count count() { return ports.counts(now)[IpAddress{}]; }

  Instant now = kStart;
  Ports ports{room_for(10)};
};

TEST_F(PortLedger, CountsWhatIsInUseAndTakesItBack) {
  {
    const auto held = take_many(3);
    EXPECT_EQ(count().in_use, 3u);
    EXPECT_EQ(ports.entries(), 1u);
  }
  EXPECT_EQ(count().in_use, 0u);
  EXPECT_EQ(ports.entries(), 0u) << "a destination without a port held takes no memory";
}

TEST_F(PortLedger, GivesAMovedShareBackOnce) {
  PortShare first = take();
  PortShare second = std::move(first);
  PortShare third;
  third = std::move(second);
  EXPECT_EQ(count().in_use, 1u);
  EXPECT_TRUE(third);
}

TEST_F(PortLedger, RefusesWhatTheKernelHasRefusedWhileEveryPortIsTaken) {
  auto held = take_many(10);
  kernel_refuses();
  EXPECT_FALSE(take());
  EXPECT_EQ(ports.refused(), 1u);
  EXPECT_EQ(ports.refused_by_kernel(), 1u);
  held.pop_back();
  EXPECT_TRUE(take()) << "one came free";
}

TEST_F(PortLedger, LetsTheKernelDecideWhereItsCountAloneIsFull) {
  // The route may lead from another source address by now, or the range may be wider.
  const auto held = take_many(10);
  EXPECT_TRUE(take());
}

TEST_F(PortLedger, LetsTheKernelDecideWhereOthersHaveTakenThePorts) {
  // They may give them back at any moment.
  const auto held = take_many(9);
  kernel_refuses();
  EXPECT_TRUE(take());
  EXPECT_EQ(ports.refused(), 0u);
}

TEST_F(PortLedger, AsksTheKernelAgainOnceASecond) {
  const auto held = take_many(10);
  kernel_refuses();
  now += 999ms;
  EXPECT_FALSE(take());
  now += 1ms;
  kernel_refuses();
  EXPECT_FALSE(take());
}

TEST_F(PortLedger, CountsEachDestinationAndEachSourceByItself) {
  const auto held = take_many(10);
  kernel_refuses();
  EXPECT_FALSE(take());
  EXPECT_TRUE(take(kOther));
  EXPECT_TRUE(ports.take(kA, kOrigin, now));
  std::vector<PortShare> more;
  more.push_back(ports.take(kA, kOrigin, now));
  more.push_back(ports.take(kB, kOther, now));
  const auto counts = ports.counts(now);
  EXPECT_EQ(counts.at(IpAddress{}).in_use, 10u);
  EXPECT_EQ(counts.at(kA).in_use, 1u);
  EXPECT_EQ(counts.at(kB).in_use, 1u);
}

TEST_F(PortLedger, CountsAPortInTimeWaitUntilItIsFree) {
  auto held = take_many(10);
  for (PortShare& share : held) share.rest(now);
  EXPECT_EQ(count().in_use, 0u);
  EXPECT_EQ(count().resting, 10u);
  kernel_refuses();
  EXPECT_FALSE(take());
  // It may be forgotten a little early, so that the kernel is asked, and never late.
  now += 56s;
  EXPECT_EQ(count().resting, 10u);
  now += 4s;
  EXPECT_EQ(count().resting, 0u);
}

TEST_F(PortLedger, KnowsThatAPortOnLoopbackIsTakenAgainSooner) {
  auto held = take_many(10, kHere);
  for (PortShare& share : held) share.rest(now);
  EXPECT_EQ(count().resting, 10u);
  now += 1s;
  EXPECT_EQ(count().resting, 0u);
  auto from_loopback =
      ports.take(*IpAddress::parse("::1"), *Endpoint::parse("[2001:db8::1]:1"), now);
  from_loopback.rest(now);
  now += 1s;
  EXPECT_EQ(ports.counts(now)[*IpAddress::parse("::1")].resting, 0u);
}

TEST_F(PortLedger, ForgetsDestinationsWhosePortsHaveRested) {
  for (uint16_t port = 1; port <= 500; ++port) take({kOrigin.address, port}).rest(now);
  EXPECT_EQ(ports.entries(), 500u);
  now += 2min;
  // A stripe is looked through when something in it is asked for.
  for (uint16_t port = 1; port <= 500; ++port) (void)take({kOrigin.address, port});
  EXPECT_EQ(ports.entries(), 0u);
}

TEST_F(PortLedger, RemembersABoundedNumberOfDestinations) {
  for (uint32_t i = 0; i < 3 * Ports::kRestingMax; ++i) {
    const auto high = static_cast<uint8_t>(i >> 16);
    const auto low = static_cast<uint16_t>(i);
    take({IpAddress::from_v4(192, 0, 2, high), low}).rest(now);
  }
  EXPECT_LE(ports.entries(), Ports::kRestingMax + 64);
  EXPECT_GE(ports.entries(), Ports::kRestingMax / 2);
}

TEST_F(PortLedger, SaysWhenPortsAreScarce) {
  auto held = take_many(7);
  EXPECT_FALSE(held[0].scarce(now)) << "7 of 10";
  held.push_back(take());
  EXPECT_TRUE(held[0].scarce(now)) << "8 of 10";
}

TEST_F(PortLedger, FollowsTheRange) {
  const auto held = take_many(10);
  kernel_refuses();
  EXPECT_FALSE(take());
  ports.set_room(room_for(20));
  EXPECT_TRUE(take());
  EXPECT_EQ(ports.room(), 20u);
}

TEST_F(PortLedger, SurvivesATimeToRestThatChanges) {
  auto held = take_many(2);
  held[0].rest(now);
  PortRoom room = room_for(10);
  room.rest = Duration::zero();
  ports.set_room(room);
  EXPECT_EQ(count().resting, 0u);
  held[1].rest(now);
  ports.set_room(room_for(10));
  EXPECT_EQ(count().resting, 0u) << "not for longer than it was to rest";
}

// A kernel with so many ports beside the ledger, and whatever can happen to a connection. The
// ledger may ask in vain, but while a port is free it never refuses.
TEST(PortSchedules, AreNeverRefusedWhileAPortIsFree) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  uint64_t refused = 0;
  for (int run = 0; run < 50; ++run) {
    constexpr uint32_t kPorts = 8;
    Ports ports(room_for(kPorts));
    Instant now = kStart;
    std::vector<PortShare> open;
    std::vector<Instant> free_at;  // of those that rest in the kernel
    for (int step = 0; step < 2000; ++step) {
      now += std::chrono::milliseconds(random.below(step % 200 == 0 ? 70'000 : 400));
      std::erase_if(free_at, [&](Instant at) { return at <= now; });
      const bool full = open.size() + free_at.size() >= kPorts;
      if (random.below(3) != 0) {
        PortShare share = ports.take({}, kOrigin, now);
        if (!share) {
          ASSERT_TRUE(full) << "step " << step;
          ++refused;
        } else if (full) {
          share.refused(now);
        } else {
          open.push_back(std::move(share));
        }
      } else if (!open.empty()) {
        std::swap(open[random.below(open.size())], open.back());
        if (random.below(2) == 0) {
          open.back().rest(now);
          free_at.push_back(now + 60s);
        }
        open.pop_back();
      }
    }
    open.clear();
    EXPECT_EQ(ports.counts(now)[IpAddress{}].in_use, 0u);
  }
  EXPECT_GT(refused, 1000u) << "or nothing was tested";
}

TEST(PortThreads, LoseNoCount) {
  Ports ports(room_for(1000));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&ports, t] {
      Random random(static_cast<uint64_t>(t));
      std::vector<PortShare> held;
      for (int i = 0; i < 20'000; ++i) {
        const auto port = static_cast<uint16_t>(1 + random.below(8));
        held.push_back(ports.take({}, {kOrigin.address, port}, kStart));
        if (random.below(4) == 0) held.front().rest(kStart);
        if (held.size() > 20) held.erase(held.begin());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(ports.counts(kStart)[IpAddress{}].in_use, 0u);
}

}  // namespace
}  // namespace penstock::admission
