#include "policy/address_class.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "policy/test_rules.h"

namespace penstock::policy {
namespace {

using enum AddressClass;

// The largest address of a prefix.
IpAddress last_of(const IpPrefix& prefix) {
  IpAddress out = prefix.address;
  for (int bit = prefix.length; bit < out.bits(); ++bit) {
    out.bytes[static_cast<size_t>(bit / 8)] |= static_cast<uint8_t>(0x80 >> (bit % 8));
  }
  return out;
}

std::optional<IpAddress> step(IpAddress address, int by) {
  for (int i = address.bits() / 8 - 1; i >= 0; --i) {
    auto& byte = address.bytes[static_cast<size_t>(i)];
    byte = static_cast<uint8_t>(byte + by);
    if (byte != (by > 0 ? 0x00 : 0xff)) return address;
  }
  return std::nullopt;
}

// `outer` with the v4 address written over its bytes from `at` on.
IpAddress carrying(std::string_view outer, const IpAddress& inner, size_t at, uint8_t flip = 0) {
  IpAddress out = ip(outer);
  for (size_t i = 0; i < 4; ++i) out.bytes[at + i] = inner.bytes[i] ^ flip;
  return out;
}

// The same v4 address in every disguise that some stack or router takes off again.
std::vector<IpAddress> disguises(const IpAddress& v4) {
  return {
      carrying("::ffff:0:0", v4, 12),
      carrying("::ffff:0:0:0", v4, 12),
      carrying("64:ff9b::", v4, 12),
      carrying("64:ff9b:1::", v4, 12),
      carrying("64:ff9b:1:7:8::", v4, 12),
      carrying("2002::", v4, 2),
      carrying("2002::1", v4, 2),
      carrying("2001:0:808:808::", v4, 12, 0xff),
      carrying("2001::f7f7:f7f7", v4, 4),
      carrying("2606:4700::5efe:0:0", v4, 12),
      carrying("2606:4700::200:5efe:0:0", v4, 12),
      carrying("fe80::5efe:0:0", v4, 12),
      carrying("64:ff9b:1:7::", v4, 9),
  };
}

// The definition, without the search structure.
AddressClass by_longest_row(const IpAddress& address) {
  const SpecialPrefix* longest = nullptr;
  for (const SpecialPrefix& row : special_prefixes()) {
    if (!row.prefix.contains(address)) continue;
    if (!longest || row.prefix.length > longest->prefix.length) longest = &row;
  }
  if (longest) return longest->address_class;
  if (!address.v6) return kPublic;
  if (address.bytes[0] >> 5 != 1) return kReserved;
  const bool isatap = (address.bytes[8] == 0 || address.bytes[8] == 2) && address.bytes[9] == 0 &&
                      address.bytes[10] == 0x5e && address.bytes[11] == 0xfe;
  return isatap ? kEmbeddedV4 : kPublic;
}

TEST(AddressClass, HoldsFromTheFirstToTheLastAddressOfEachSpecialPrefixAndNoFurther) {
  for (const SpecialPrefix& row : special_prefixes()) {
    const IpAddress first = row.prefix.address;
    const IpAddress last = last_of(row.prefix);
    for (const auto& address : {std::optional(first), std::optional(last), step(first, -1),
                                step(last, 1), step(first, 1), step(last, -1)}) {
      if (!address) continue;
      EXPECT_EQ(classify(*address), by_longest_row(*address))
          << address->text() << " near " << row.prefix.text();
    }
  }
}

TEST(AddressClass, SeesEveryV4SpecialAddressInEveryDisguise) {
  for (const SpecialPrefix& row : special_prefixes()) {
    if (row.prefix.address.v6) continue;
    const IpAddress first = row.prefix.address;
    const IpAddress last = last_of(row.prefix);
    for (const auto& inner :
         {std::optional(first), std::optional(last), step(first, -1), step(last, 1)}) {
      if (!inner) continue;
      for (const IpAddress& outer : disguises(*inner)) {
        const auto shown = outer.text() + " carries " + inner->text();
        EXPECT_NE(classify(outer), kPublic) << shown;
        const EmbeddedV4 found = embedded_v4(outer);
        EXPECT_NE(std::find(found.begin(), found.end(), *inner), found.end()) << shown;
      }
    }
  }
}

TEST(AddressClass, NamesTheClassThatAPersonExpects) {
  const std::pair<const char*, AddressClass> expected[] = {
      {"8.8.8.8", kPublic},
      {"2606:4700:4700::1111", kPublic},
      {"0.0.0.0", kUnspecified},
      {"::", kUnspecified},
      {"127.0.0.1", kLoopback},
      {"127.255.255.254", kLoopback},
      {"::1", kLoopback},
      {"10.255.255.255", kPrivate},
      {"172.16.0.1", kPrivate},
      {"172.31.255.255", kPrivate},
      {"172.32.0.0", kPublic},
      {"172.15.255.255", kPublic},
      {"192.168.0.0", kPrivate},
      {"169.254.1.1", kLinkLocal},
      {"fe80::1", kLinkLocal},
      {"febf::1", kLinkLocal},
      {"fec0::1", kPrivate},
      {"100.64.0.0", kCgnat},
      {"100.127.255.255", kCgnat},
      {"100.128.0.0", kPublic},
      {"100.63.255.255", kPublic},
      {"198.18.0.0", kBenchmark},
      {"198.19.255.255", kBenchmark},
      {"198.20.0.0", kPublic},
      {"192.0.2.1", kDocumentation},
      {"203.0.113.255", kDocumentation},
      {"2001:db8::1", kDocumentation},
      {"3fff:fff::1", kDocumentation},
      {"3fff:1000::", kPublic},
      {"224.0.0.1", kMulticast},
      {"239.255.255.255", kMulticast},
      {"ff02::1", kMulticast},
      {"255.255.255.255", kBroadcast},
      {"240.0.0.1", kReserved},
      {"192.0.0.1", kReserved},
      {"5f00::1", kReserved},
      {"100::1", kReserved},
      {"4000::1", kReserved},
      {"2001:10::1", kReserved},
      {"fc00::1", kUniqueLocal},
      {"fdff::1", kUniqueLocal},
      {"::ffff:127.0.0.2", kEmbeddedV4},
      {"::ffff:7f00:2", kEmbeddedV4},
      {"::ffff:8.8.8.8", kEmbeddedV4},
      {"::10.0.0.5", kEmbeddedV4},
      {"::ffff:0:10.0.0.5", kEmbeddedV4},
      {"64:ff9b::a00:1", kEmbeddedV4},
      {"64:ff9b:1::a00:1", kEmbeddedV4},
      {"2002:a9fe:a9fe::", kEmbeddedV4},
      {"2001:0:1::", kEmbeddedV4},
      {"2a00::5efe:10.0.0.5", kEmbeddedV4},
  };
  for (const auto& [text, address_class] : expected) {
    EXPECT_EQ(class_word(classify(ip(text))), class_word(address_class)) << text;
  }
}

TEST(AddressClass, KnowsTheMetadataServicesOfTheClouds) {
  for (const char* text : {"169.254.169.254", "169.254.170.2", "169.254.170.23", "169.254.0.23",
                           "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254",
                           "fd00:ec2::23", "fd20:ce::254", "fe80::a9fe:a9fe"}) {
    EXPECT_EQ(classify(ip(text)), kMetadata) << text;
  }
  EXPECT_EQ(classify(ip("168.63.129.17")), kPublic);
}

TEST(AddressClass, FindsBothAddressesThatATeredoAddressCarries) {
  // RFC 4380 section 4, example: server 65.54.227.120, client 192.0.2.45.
  const EmbeddedV4 found = embedded_v4(ip("2001:0:4136:e378:8000:63bf:3fff:fdd2"));
  ASSERT_EQ(found.count, 2u);
  EXPECT_EQ(found.addresses[0].text(), "65.54.227.120");
  EXPECT_EQ(found.addresses[1].text(), "192.0.2.45");
}

TEST(AddressClass, FindsNothingInsideAnOrdinaryAddress) {
  for (const char* text : {"10.0.0.1", "::", "::1", "2606:4700::1", "fd00::1", "ff02::1"}) {
    EXPECT_EQ(embedded_v4(ip(text)).count, 0u) << text;
  }
  EXPECT_FALSE(mapped_v4(ip("::10.0.0.1")));
  EXPECT_EQ(mapped_v4(ip("::ffff:10.0.0.1"))->text(), "10.0.0.1");
}

}  // namespace
}  // namespace penstock::policy
