#include "policy/prefix_set.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"

namespace penstock::policy {
namespace {

IpPrefix prefix(std::string_view text) {
  return *IpPrefix::parse(text);
}
IpAddress address(std::string_view text) {
  return *IpAddress::parse(text);
}

TEST(PrefixSet, ContainsNothingWhenEmpty) {
  EXPECT_FALSE(PrefixSet().contains(address("10.0.0.1")));
  EXPECT_FALSE(PrefixSet().contains(address("::1")));
}

TEST(PrefixSet, ListsThePrefixesOverAnAddressLongestFirst) {
  const PrefixSet set({prefix("10.1.0.0/16"), prefix("10.0.0.0/8"), prefix("0.0.0.0/0"),
                       prefix("10.1.2.3/32"), prefix("10.2.0.0/16")});
  std::vector<uint32_t> found;
  for (uint32_t at = set.longest(address("10.1.2.3")); at != PrefixSet::kNone; at = set.wider(at)) {
    found.push_back(at);
  }
  EXPECT_EQ(found,
            (std::vector{set.number_of(prefix("10.1.2.3/32")), set.number_of(prefix("10.1.0.0/16")),
                         set.number_of(prefix("10.0.0.0/8")), set.number_of(prefix("0.0.0.0/0"))}));
}

TEST(PrefixSet, ReachesTheLastAddressOfEachFamily) {
  const PrefixSet set({prefix("255.255.255.255/32"), prefix("ff00::/8")});
  EXPECT_TRUE(set.contains(address("255.255.255.255")));
  EXPECT_FALSE(set.contains(address("255.255.255.254")));
  EXPECT_TRUE(set.contains(address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")));
  EXPECT_FALSE(set.contains(address("feff::1")));
}

TEST(PrefixSet, KeepsTheFamiliesApart) {
  EXPECT_FALSE(PrefixSet({prefix("::/0")}).contains(address("10.0.0.1")));
  EXPECT_FALSE(PrefixSet({prefix("0.0.0.0/0")}).contains(address("::ffff:10.0.0.1")));
}

// A few bits only, at both ends of the address, so that prefixes nest, touch and repeat.
IpAddress random_address(Random& random) {
  IpAddress out;
  out.v6 = random.below(2) == 1;
  out.bytes[0] = static_cast<uint8_t>(random.below(4) << 6 | random.below(2));
  out.bytes[out.v6 ? 15 : 3] = static_cast<uint8_t>(random.below(2) * 0xf0 | random.below(4));
  return out;
}

IpPrefix random_prefix(Random& random) {
  IpPrefix out{random_address(random), 0};
  const auto near_end = static_cast<int>(random.below(9));
  out.length = random.below(2) ? near_end : out.address.bits() - near_end;
  for (int bit = out.length; bit < out.address.bits(); ++bit) {
    out.address.bytes[static_cast<size_t>(bit / 8)] &= static_cast<uint8_t>(~(0x80 >> (bit % 8)));
  }
  return out;
}

TEST(PrefixSet, AgreesWithAWalkOverAllPrefixes) {
  constexpr uint64_t kSeed = 20261123;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  Random random(kSeed);
  for (int round = 0; round < 300; ++round) {
    std::vector<IpPrefix> prefixes;
    for (uint64_t n = random.below(40); n > 0; --n) prefixes.push_back(random_prefix(random));
    const PrefixSet set(prefixes);
    for (int probe = 0; probe < 40; ++probe) {
      const IpAddress wanted = random_address(random);
      const IpPrefix* longest = nullptr;
      for (const IpPrefix& candidate : prefixes) {
        if (!candidate.contains(wanted)) continue;
        if (!longest || candidate.length > longest->length) longest = &candidate;
      }
      ASSERT_EQ(set.longest(wanted), longest ? set.number_of(*longest) : PrefixSet::kNone)
          << wanted.text() << " round " << round;
    }
  }
}

}  // namespace
}  // namespace penstock::policy
