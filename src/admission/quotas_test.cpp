#include "admission/quotas.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/random.h"

namespace penstock::admission {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Instant kStart{hours(1)};
constexpr uint64_t kMiB = 1 << 20;

QuotaList list_of(const QuotaLimits& limits, Each each = Each::kClient, const char* name = "q",
                  policy::LocatedWords identities = {}) {
  QuotaSpec spec;
  spec.name = name;
  spec.each = each;
  spec.limits = limits;
  spec.identities = std::move(identities);
  return *QuotaList::compile({spec}, 0);
}

QuotaLimits tunnels(uint64_t count) {
  QuotaLimits limits;
  limits.tunnels = count;
  return limits;
}
QuotaLimits setups(uint64_t count, Duration per, uint64_t burst = 0) {
  QuotaLimits limits;
  limits.setups = {count, per};
  limits.burst = burst;
  return limits;
}
QuotaLimits bytes(uint64_t count, Duration per) {
  QuotaLimits limits;
  limits.bytes = {count, per};
  return limits;
}

const policy::Asker kAlice{IpAddress::from_v4(10, 0, 0, 1), {}};
const policy::Asker kBob{IpAddress::from_v4(10, 0, 0, 2), {}};

policy::Asker subnet(uint64_t number) {
  IpAddress address = *IpAddress::parse("2001:db8::1");
  for (size_t i = 0; i < 4; ++i) address.bytes[7 - i] = static_cast<uint8_t>(number >> (8 * i));
  return {address, {}};
}

TEST(Quotas, LimitNobodyWhomNoQuotaMatches) {
  Quotas quotas;
  const auto share = quotas.admit(QuotaList(), kAlice, kStart);
  ASSERT_TRUE(share);
  EXPECT_FALSE(*share);
  EXPECT_FALSE(share->up());
  EXPECT_FALSE(share->exhausted(kStart));
  EXPECT_EQ(quotas.accounts(), 0u);
}

TEST(Quotas, KeepAClientToItsTunnelsAndFollowANewLimit) {
  Quotas quotas;
  const QuotaList one = list_of(tunnels(1));
  const auto first = quotas.admit(one, kAlice, kStart);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->quota(), "q");
  EXPECT_EQ(quotas.admit(one, kAlice, kStart).error().error.code, Code::kClientBusy);
  EXPECT_TRUE(quotas.admit(one, kBob, kStart));
  EXPECT_TRUE(quotas.admit(list_of(tunnels(2)), kAlice, kStart));
  EXPECT_EQ(quotas.admit(list_of(tunnels(1)), kAlice, kStart).error().error.code,
            Code::kClientBusy);
  EXPECT_EQ(quotas.refused().at("q").tunnels, 2u);
}

TEST(Quotas, CountTheAddressesOfOneIpv6SubnetAsOneClient) {
  Quotas quotas;
  const QuotaList one = list_of(tunnels(1));
  const auto ask = [&](const char* client) {
    return quotas.admit(one, {*IpAddress::parse(client), {}}, kStart);
  };
  const auto held = ask("2001:db8:1:2::1");
  ASSERT_TRUE(held);
  EXPECT_FALSE(ask("2001:db8:1:2:ffff::9"));
  EXPECT_TRUE(ask("2001:db8:1:3::1"));
}

TEST(Quotas, CountAV4ClientBehindAV6SocketAsItself) {
  Quotas quotas;
  const QuotaList one = list_of(tunnels(1));
  const auto held = quotas.admit(one, kAlice, kStart);
  ASSERT_TRUE(held);
  EXPECT_FALSE(quotas.admit(one, {*IpAddress::parse("::ffff:10.0.0.1"), {}}, kStart));
  EXPECT_TRUE(quotas.admit(one, {*IpAddress::parse("::ffff:10.0.0.2"), {}}, kStart));
}

TEST(Quotas, CountEachIdentityOrAllTogether) {
  Quotas quotas;
  const auto for_each = list_of(tunnels(1), Each::kIdentity, "each", {{"*", {}}});
  const auto held = quotas.admit(for_each, {kAlice.client, "ann"}, kStart);
  ASSERT_TRUE(held);
  EXPECT_FALSE(quotas.admit(for_each, {kBob.client, "ann"}, kStart)) << "from wherever she asks";
  EXPECT_TRUE(quotas.admit(for_each, {kAlice.client, "ben"}, kStart));
  const auto for_all = list_of(tunnels(1), Each::kQuota, "all");
  const auto taken = quotas.admit(for_all, kAlice, kStart);
  ASSERT_TRUE(taken);
  EXPECT_FALSE(quotas.admit(for_all, kBob, kStart));
}

TEST(Quotas, TellABusyClientToComeBackAsOftenAsItsTunnelsEnd) {
  Quotas quotas;
  const QuotaList one = list_of(tunnels(1));
  Instant now = kStart;
  const auto standing = quotas.admit(list_of(tunnels(3)), kAlice, now);
  for (int i = 0; i < 5; ++i) {  // a tunnel that ends every 20 s
    const auto share = quotas.admit(list_of(tunnels(3)), kAlice, now);
    ASSERT_TRUE(share);
    now += seconds(20);
  }
  EXPECT_EQ(quotas.admit(one, kAlice, now).error().retry_after, seconds(20));
}

TEST(Quotas, AdmitASetUpExactlyWhenTheRefusalSaid) {
  Quotas quotas;
  const QuotaList list = list_of(setups(10, minutes(1)));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(quotas.admit(list, kAlice, kStart)) << i;
  const auto refused = quotas.admit(list, kAlice, kStart);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().error.code, Code::kClientRate);
  EXPECT_EQ(refused.error().retry_after, seconds(6));
  EXPECT_FALSE(quotas.admit(list, kAlice, kStart + seconds(6) - Duration(1)));
  EXPECT_TRUE(quotas.admit(list, kAlice, kStart + seconds(6)));
  EXPECT_FALSE(quotas.admit(list, kAlice, kStart + seconds(6)));
  EXPECT_TRUE(quotas.admit(list, kBob, kStart));
  EXPECT_EQ(quotas.refused().at("q").setups, 3u);
}

TEST(Quotas, RefuseSetUpsWhileTheBytesAreUsedUpAndSayUntilWhen) {
  Quotas quotas;
  const QuotaList list = list_of(bytes(1000, hours(1)));
  auto open = quotas.admit(list, kAlice, kStart);
  ASSERT_TRUE(open);
  const Charges up = open->up();
  const Charges down = open->down();
  EXPECT_EQ(up.bytes, down.bytes) << "both directions count together";
  EXPECT_EQ(up.bandwidth, nullptr);
  up.bytes->fetch_add(1400);
  EXPECT_FALSE(open->exhausted(kStart)) << "open tunnels go on unless the quota says otherwise";
  const auto refused = quotas.admit(list, kAlice, kStart);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().error.code, Code::kClientBytes);
  // 400 too many, and one to have room for.
  EXPECT_EQ(refused.error().retry_after, milliseconds(3600 * 401));
  EXPECT_FALSE(quotas.admit(list, kAlice, kStart + refused.error().retry_after - Duration(1)));
  EXPECT_TRUE(quotas.admit(list, kAlice, kStart + refused.error().retry_after));
}

TEST(Quotas, EndOpenTunnelsWhoseBytesAreUsedUpIfTheySaySo) {
  Quotas quotas;
  QuotaLimits limits = bytes(1000, hours(1));
  limits.bytes_end_tunnels = true;
  const auto open = quotas.admit(list_of(limits), kAlice, kStart);
  ASSERT_TRUE(open);
  EXPECT_FALSE(open->exhausted(kStart));
  open->down().bytes->fetch_add(1000);
  EXPECT_TRUE(open->exhausted(kStart));
  EXPECT_FALSE(open->exhausted(kStart + minutes(1)));
}

TEST(Quotas, ForgetAnAccountOnceItHoldsNothingAndOwesNothing) {
  Quotas quotas;
  const QuotaList plain = list_of(tunnels(5));
  {
    const auto share = quotas.admit(plain, kAlice, kStart);
  }
  EXPECT_EQ(quotas.accounts(), 0u);
  const QuotaList rated = list_of(setups(1, seconds(1), 5));
  for (uint64_t i = 0; i < 1000; ++i) (void)quotas.admit(rated, subnet(i), kStart);
  EXPECT_EQ(quotas.accounts(), 1000u);
  EXPECT_EQ(quotas.held(), 0u);
  for (uint64_t i = 0; i < 1000; ++i) (void)quotas.admit(plain, subnet(i), kStart + seconds(2));
  EXPECT_EQ(quotas.accounts(), 0u);
}

TEST(Quotas, AreNotLeftBehindByReconnecting) {
  Quotas quotas;
  QuotaLimits limits;
  limits.bandwidth = kMiB;
  const QuotaList list = list_of(limits);
  Instant paid_at;
  {
    const auto share = quotas.admit(list, kAlice, kStart);
    paid_at = share->up().bandwidth->charge(kStart, milliseconds(50));
  }
  const auto again = quotas.admit(list, kAlice, kStart + milliseconds(1));
  EXPECT_EQ(again->up().bandwidth->paid_at(), paid_at);
  EXPECT_NE(again->down().bandwidth->paid_at(), paid_at) << "directions are apart";
}

TEST(Quotas, StayBoundedWhateverStrangersDoAndKeepWhoOwesMost) {
  Quotas quotas;
  const QuotaList list = list_of(setups(10, hours(1)));
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(quotas.admit(list, kAlice, kStart));
  constexpr uint64_t kStrangers = 200'000;
  for (uint64_t i = 0; i < kStrangers; ++i) (void)quotas.admit(list, subnet(i), kStart);
  EXPECT_LE(quotas.accounts(), Quotas::kStripes * Quotas::kIdleMax);
  EXPECT_GE(quotas.accounts(), Quotas::kStripes * Quotas::kIdleMax / 2);
  EXPECT_FALSE(quotas.admit(list, kAlice, kStart)) << "a flood of strangers cleared her debt";
}

TEST(Quotas, HoldTheirLimitWhenThreadsRace) {
  Quotas quotas;
  const QuotaList list = list_of(tunnels(10));
  std::atomic<int> holders{0}, most{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5'000; ++i) {
        std::vector<QuotaShare> shares;
        for (int n = 0; n < 4; ++n) {
          auto share = quotas.admit(list, kAlice, kStart);
          if (!share) continue;
          shares.push_back(std::move(*share));
          const int now = ++holders;
          for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
          }
        }
        holders -= static_cast<int>(shares.size());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_LE(most, 10);
  EXPECT_EQ(quotas.held(), 0u);
  EXPECT_EQ(quotas.accounts(), 0u);
}

TEST(Quotas, AdmitExactlyTheBurstWhenThreadsRaceForIt) {
  Quotas quotas;
  const QuotaList list = list_of(setups(100, hours(1)));
  std::atomic<int> admitted{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) admitted += quotas.admit(list, kAlice, kStart) ? 1 : 0;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(admitted, 100);
  EXPECT_EQ(quotas.refused().at("q").setups, 3900u);
}

TEST(Quotas, ForgiveBytesAsTimeGoesByAlsoWhileATunnelIsOpen) {
  Quotas quotas;
  QuotaLimits limits = bytes(3600, hours(1));
  limits.bytes_end_tunnels = true;
  const auto open = quotas.admit(list_of(limits), kAlice, kStart);
  ASSERT_TRUE(open);
  std::atomic<uint64_t>& moved = *open->up().bytes;
  Instant now = kStart;
  for (int i = 0; i < 20'000; ++i) {  // as fast as the quota allows, for hours
    moved.fetch_add(1);
    ASSERT_FALSE(open->exhausted(now += seconds(1))) << i;
  }
  moved.fetch_add(3600);
  EXPECT_TRUE(open->exhausted(now));
}

TEST(Quotas, OweAsManySetUpsAndBytesUnderANewRate) {
  Quotas quotas;
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(quotas.admit(list_of(setups(5, hours(1))), kAlice, kStart));
  }
  const QuotaList more = list_of(setups(6, hours(1)));
  EXPECT_TRUE(quotas.admit(more, kAlice, kStart)) << "five of six are spent";
  EXPECT_FALSE(quotas.admit(more, kAlice, kStart));

  const auto open = quotas.admit(list_of(bytes(1000, hours(1))), kBob, kStart);
  ASSERT_TRUE(open);
  open->up().bytes->fetch_add(1000);
  EXPECT_FALSE(quotas.admit(list_of(bytes(1000, hours(1))), kBob, kStart));
  EXPECT_TRUE(quotas.admit(list_of(bytes(1001, hours(24))), kBob, kStart));
  EXPECT_FALSE(quotas.admit(list_of(bytes(999, hours(24))), kBob, kStart));
}

TEST(Quotas, LoseNoByteWhenThreadsCharge) {
  SharedDebt debt;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10'000; ++i) {
        debt.charge(kStart, milliseconds(3));
        debt.credit(milliseconds(1));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(debt.paid_at(), kStart + milliseconds(2) * 40'000);
}

}  // namespace
}  // namespace penstock::admission
