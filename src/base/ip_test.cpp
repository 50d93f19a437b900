#include "base/ip.h"

#include <gtest/gtest.h>

namespace penstock {
namespace {

TEST(IpAddress, RoundTripsItsCanonicalText) {
  for (const char* text : {"0.0.0.0", "127.0.0.1", "255.255.255.255", "::", "::1", "fd00::5",
                           "2001:db8::1:0:0:1", "::ffff:10.0.0.5"}) {
    const auto address = IpAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->text(), text);
  }
}

TEST(IpAddress, RefusesTheSpellingsThatLibcWouldGuessAt) {
  for (const char* text : {"", "1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "127.0.0.01",
                           "127.0.0.1.", " 127.0.0.1", "127.0.0.1 ", "256.0.0.1", "[::1]", "::1%lo",
                           "fe80::1%eth0", ":::", "1.2.3.4.5", "::ffff:010.0.0.5"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
  EXPECT_FALSE(IpAddress::parse(std::string_view("127.0.0.1\0", 10)));
}

TEST(IpPrefix, ContainsExactlyItsRange) {
  const auto prefix = IpPrefix::parse("10.1.2.0/23");
  ASSERT_TRUE(prefix);
  EXPECT_TRUE(prefix->contains(*IpAddress::parse("10.1.2.0")));
  EXPECT_TRUE(prefix->contains(*IpAddress::parse("10.1.3.255")));
  EXPECT_FALSE(prefix->contains(*IpAddress::parse("10.1.4.0")));
  EXPECT_FALSE(prefix->contains(*IpAddress::parse("10.1.1.255")));
  EXPECT_FALSE(prefix->contains(*IpAddress::parse("::ffff:10.1.2.1")));
  EXPECT_TRUE(IpPrefix::parse("::/0")->contains(*IpAddress::parse("fd00::1")));
  EXPECT_FALSE(IpPrefix::parse("::/0")->contains(*IpAddress::parse("10.0.0.1")));
}

TEST(IpPrefix, RefusesHostBitsAndOverlongLengths) {
  for (const char* text :
       {"10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "/8", "fd00::1/64", "::/129"}) {
    EXPECT_FALSE(IpPrefix::parse(text)) << text;
  }
  EXPECT_EQ(IpPrefix::parse("192.0.2.1")->length, 32);
}

TEST(Endpoint, WantsBracketsAroundIpv6AndOnlyThere) {
  EXPECT_EQ(Endpoint::parse("[::1]:443")->text(), "[::1]:443");
  EXPECT_EQ(Endpoint::parse("127.0.0.1:0")->text(), "127.0.0.1:0");
  for (const char* text : {"::1:443", "[127.0.0.1]:443", "127.0.0.1", "127.0.0.1:",
                           "127.0.0.1:65536", "127.0.0.1:0443", "127.0.0.1:+443", "localhost:1"}) {
    EXPECT_FALSE(Endpoint::parse(text)) << text;
  }
}

}  // namespace
}  // namespace penstock
