#include "dns/cache.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "base/random.h"

namespace penstock::dns {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kA = RecordType::kA;
constexpr auto kAaaa = RecordType::kAaaa;
const Instant kStart = Instant() + std::chrono::hours(1);
const Lifetimes kLifetimes{.min_ttl = seconds(1),
                           .max_ttl = seconds(100),
                           .negative_ttl = seconds(5),
                           .stale = seconds(30)};

Reply found(std::vector<IpAddress> addresses, uint32_t ttl) {
  return {.finding = Finding::kAddresses, .addresses = std::move(addresses), .ttl = ttl};
}
Reply v4(uint8_t last, uint32_t ttl) {
  return found({IpAddress::from_v4(192, 0, 2, last)}, ttl);
}
Reply absent(Finding finding, uint32_t ttl) {
  return {.finding = finding, .addresses = {}, .ttl = ttl};
}

TEST(Cache, KnowsNothingAtFirst) {
  Cache cache(10, kLifetimes);
  EXPECT_EQ(cache.find("a", kA, kStart).knowledge, Knowledge::kUnknown);
  EXPECT_EQ(cache.find_stale("a", kA, kStart).knowledge, Knowledge::kUnknown);
}

TEST(Cache, KeepsAddressesOfBothFamiliesForTheirOwnTtl) {
  Cache cache(10, kLifetimes);
  IpAddress v6 = *IpAddress::parse("2001:db8::1:2");
  cache.store("a", kA, v4(1, 10), kStart);
  cache.store("a", kAaaa, found({v6}, 20), kStart);
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_EQ(cache.find("a", kA, kStart + milliseconds(9999)).addresses[0].text(), "192.0.2.1");
  EXPECT_EQ(cache.find("a", kA, kStart + seconds(10)).knowledge, Knowledge::kUnknown);
  EXPECT_EQ(cache.find("a", kAaaa, kStart + seconds(19)).addresses, std::vector{v6});
  EXPECT_EQ(cache.find("a", kAaaa, kStart + seconds(20)).knowledge, Knowledge::kUnknown);
}

TEST(Cache, KeepsTheOrderOfManyAddresses) {
  Cache cache(10, kLifetimes);
  std::vector<IpAddress> many;
  for (int i = 0; i < 32; ++i) many.push_back(IpAddress::from_v4(10, 0, 0, uint8_t(200 - i)));
  cache.store("a", kA, found(many, 10), kStart);
  EXPECT_EQ(cache.find("a", kA, kStart).addresses, many);
}

TEST(Cache, BringsTtlsIntoTheConfiguredRange) {
  Cache cache(10, kLifetimes);
  cache.store("short", kA, v4(1, 0), kStart);
  EXPECT_EQ(cache.find("short", kA, kStart + milliseconds(999)).knowledge, Knowledge::kAddresses);
  EXPECT_EQ(cache.find("short", kA, kStart + seconds(1)).knowledge, Knowledge::kUnknown);
  cache.store("long", kA, v4(1, INT32_MAX), kStart);
  EXPECT_EQ(cache.find("long", kA, kStart + seconds(99)).knowledge, Knowledge::kAddresses);
  EXPECT_EQ(cache.find("long", kA, kStart + seconds(100)).knowledge, Knowledge::kUnknown);
}

TEST(Cache, KeepsNothingWhereTheMaximumIsZero) {
  Lifetimes lifetimes = kLifetimes;
  lifetimes.min_ttl = lifetimes.max_ttl = Duration::zero();
  Cache cache(10, lifetimes);
  cache.store("a", kA, v4(1, INT32_MAX), kStart);
  EXPECT_EQ(cache.find("a", kA, kStart).knowledge, Knowledge::kUnknown);
}

TEST(Cache, RemembersAbsenceAsLongAsTheSoaRecordAndTheConfigurationAllow) {
  Cache cache(10, kLifetimes);
  cache.store("none", kA, absent(Finding::kNoAddress, kNoTtl), kStart);
  cache.store("gone", kA, absent(Finding::kNoSuchName, 2), kStart);
  EXPECT_EQ(cache.find("none", kA, kStart + milliseconds(4999)).knowledge, Knowledge::kNoAddress);
  EXPECT_EQ(cache.find("none", kA, kStart + seconds(5)).knowledge, Knowledge::kUnknown);
  EXPECT_EQ(cache.find("gone", kA, kStart + milliseconds(1999)).knowledge, Knowledge::kNoSuchName);
  EXPECT_EQ(cache.find("gone", kA, kStart + seconds(2)).knowledge, Knowledge::kUnknown);
}

TEST(Cache, GivesExpiredAddressesForTheStaleTimeOnly) {
  Cache cache(10, kLifetimes);
  cache.store("a", kA, v4(1, 10), kStart);
  const Outcome stale = cache.find_stale("a", kA, kStart + milliseconds(39'999));
  EXPECT_EQ(stale.knowledge, Knowledge::kAddresses);
  EXPECT_TRUE(stale.stale);
  EXPECT_EQ(stale.addresses.size(), 1u);
  EXPECT_EQ(cache.find_stale("a", kA, kStart + seconds(40)).knowledge, Knowledge::kUnknown);
}

TEST(Cache, LetsNothingStandInForAbsence) {
  Cache cache(10, kLifetimes);
  cache.store("a", kA, v4(1, 1), kStart);
  cache.store("a", kA, absent(Finding::kNoSuchName, 1), kStart + seconds(2));
  EXPECT_EQ(cache.find_stale("a", kA, kStart + seconds(4)).knowledge, Knowledge::kUnknown);
}

TEST(Cache, RemembersAFailureForASecondAndLongerWithAStandIn) {
  Cache cache(10, kLifetimes);
  cache.store_failure("new", kA, Code::kDnsTimeout, kStart);
  const Outcome failure = cache.find("new", kA, kStart + milliseconds(999));
  EXPECT_EQ(failure.knowledge, Knowledge::kFailed);
  EXPECT_EQ(failure.failure, Code::kDnsTimeout);
  EXPECT_EQ(cache.find("new", kA, kStart + seconds(1)).knowledge, Knowledge::kUnknown);

  cache.store("old", kA, v4(1, 1), kStart);
  cache.store_failure("old", kA, Code::kDnsFailed, kStart + seconds(2));
  EXPECT_EQ(cache.find("old", kA, kStart + milliseconds(6999)).knowledge, Knowledge::kFailed);
  EXPECT_EQ(cache.find("old", kA, kStart + seconds(7)).knowledge, Knowledge::kUnknown);
  EXPECT_EQ(cache.find_stale("old", kA, kStart + seconds(7)).knowledge, Knowledge::kAddresses);
}

TEST(Cache, ForgetsAFailureWhenAnAnswerComes) {
  Cache cache(10, kLifetimes);
  cache.store_failure("a", kA, Code::kDnsFailed, kStart);
  cache.store("a", kA, v4(1, 0), kStart);
  EXPECT_EQ(cache.find("a", kA, kStart).knowledge, Knowledge::kAddresses);
}

TEST(Cache, LetsTheLeastRecentlyUsedNameGo) {
  Cache cache(3, kLifetimes);
  for (const char* name : {"a", "b", "c"}) cache.store(name, kA, v4(1, 60), kStart);
  EXPECT_EQ(cache.find("a", kA, kStart).knowledge, Knowledge::kAddresses);
  cache.store("d", kA, v4(1, 60), kStart);
  EXPECT_EQ(cache.size(), 3u);
  EXPECT_EQ(cache.find("b", kA, kStart).knowledge, Knowledge::kUnknown);
  for (const char* name : {"a", "c", "d"}) {
    EXPECT_EQ(cache.find(name, kA, kStart).knowledge, Knowledge::kAddresses) << name;
  }
}

TEST(Cache, ShrinksWhenItIsToldTo) {
  Cache cache(10, kLifetimes);
  for (const char* name : {"a", "b", "c"}) cache.store(name, kA, v4(1, 60), kStart);
  cache.resize(1, kLifetimes);
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_EQ(cache.find("c", kA, kStart).knowledge, Knowledge::kAddresses);
  cache.resize(0, kLifetimes);
  cache.store("d", kA, v4(1, 60), kStart);
  cache.store_failure("e", kA, Code::kDnsFailed, kStart);
  EXPECT_EQ(cache.size(), 0u);
}

// Against a model without eviction: whatever the cache gives is what was stored last, in time.
TEST(Cache, NeverGivesWhatWasNotStoredNorGrowsBeyondItsBound) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  Random random(seed);
  Cache cache(20, kLifetimes);
  struct Last {
    uint8_t address;
    Instant expires;
  };
  std::map<std::string, Last> model;
  Instant now = kStart;
  int hits = 0;
  for (int round = 0; round < 20'000; ++round) {
    now += milliseconds(random.below(100));
    const std::string name = "n" + std::to_string(random.below(40));
    if (random.below(3) == 0) {
      const auto address = static_cast<uint8_t>(random.next());
      const auto ttl = static_cast<uint32_t>(1 + random.below(20));
      cache.store(name, kA, v4(address, ttl), now);
      model[name] = {address, now + seconds(ttl)};
    } else if (const Outcome outcome = cache.find(name, kA, now);
               outcome.knowledge == Knowledge::kAddresses) {
      ++hits;
      ASSERT_TRUE(model.contains(name));
      ASSERT_EQ(outcome.addresses[0], IpAddress::from_v4(192, 0, 2, model[name].address));
      ASSERT_LT(now, model[name].expires);
    }
    ASSERT_LE(cache.size(), 20u);
  }
  EXPECT_GT(hits, 100);
}

TEST(NameHash, IsSipHash13) {
  // The key of the reference vectors, then the zero key with whole words, a rest, and both.
  EXPECT_EQ(sip_hash_1_3(0x0706050403020100, 0x0f0e0d0c0b0a0908, ""), 0xabac0158050fc4dcu);
  EXPECT_EQ(sip_hash_1_3(0, 0, "0123456"), 0x810aaf7acf670379u);
  EXPECT_EQ(sip_hash_1_3(0, 0, "01234567"), 0xda3dcedf84ea6cc6u);
  EXPECT_EQ(sip_hash_1_3(0, 0, "0123456789abcdef.example"), 0x71683b1ec1852792u);
}

}  // namespace
}  // namespace penstock::dns
