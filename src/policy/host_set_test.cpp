#include "policy/host_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/test_rules.h"

namespace penstock::policy {
namespace {

using testing::HasSubstr;

HostSet hosts(const Words& words) {
  Faults faults;
  const auto patterns = parse_host_patterns(located(words), "except", faults);
  for (const Fault& fault : faults) ADD_FAILURE() << fault.message;
  return HostSet(patterns);
}

std::string fault(std::string_view text) {
  const auto pattern = parse_host_pattern(text);
  return pattern ? "" : pattern.error();
}

TEST(HostSet, NamesAreExactAndSuffixesAreWhatIsBelowThem) {
  const HostSet set = hosts({"*.Bank.example", "pinned.example.com"});
  EXPECT_TRUE(set.contains(to("www.bank.example:443")));
  EXPECT_TRUE(set.contains(to("a.b.bank.example:8443")));
  EXPECT_TRUE(set.contains(to("pinned.example.com:1")));
  EXPECT_FALSE(set.contains(to("bank.example:443")));
  EXPECT_FALSE(set.contains(to("mybank.example:443")));
  EXPECT_FALSE(set.contains(to("x.pinned.example.com:443")));
  EXPECT_FALSE(set.contains(to("10.0.0.1:443")));
}

TEST(HostSet, AddressesAreInTheirRangesAndInDisguise) {
  const HostSet set = hosts({"10.0.0.0/8", "fd00::/8", "[2001:db8::1]", "192.0.2.1"});
  EXPECT_TRUE(set.contains(to("10.1.2.3:443")));
  EXPECT_TRUE(set.contains(to("192.0.2.1:443")));
  EXPECT_TRUE(set.contains(to("[fd12::1]:443")));
  EXPECT_TRUE(set.contains(to("[2001:db8::1]:443")));
  EXPECT_TRUE(set.contains(to("[::ffff:10.1.2.3]:443")));
  EXPECT_FALSE(set.contains(to("11.0.0.1:443")));
  EXPECT_FALSE(set.contains(to("[2001:db8::2]:443")));
}

TEST(HostSet, AStarIsEverythingAndNothingIsNothing) {
  EXPECT_TRUE(hosts({"*"}).contains(to("10.0.0.1:443")));
  EXPECT_TRUE(hosts({"*"}).contains(to("a.example:443")));
  EXPECT_FALSE(HostSet().contains(to("a.example:443")));
  EXPECT_TRUE(HostSet().empty());
  EXPECT_FALSE(hosts({"*"}).empty());
}

TEST(HostSet, APatternIsAHostAndNothingElse) {
  EXPECT_THAT(fault("a.example:443"), HasSubstr("without port"));
  EXPECT_THAT(fault("[fd00::1]:443"), HasSubstr("without port"));
  EXPECT_THAT(fault("https://a.example"), HasSubstr("write the host only"));
  EXPECT_THAT(fault("a@b.example"), HasSubstr("user information"));
  EXPECT_THAT(fault(""), HasSubstr("empty"));
  EXPECT_THAT(fault("a b"), HasSubstr("white space"));
  EXPECT_THAT(fault("a.*.example"), HasSubstr("means nothing"));
  EXPECT_THAT(fault("10.0.0.1/8"), HasSubstr("10.0.0.0/8"));
  EXPECT_THAT(fault("[fd00::1/8]"), HasSubstr("fd00::/8"));
}

TEST(HostSet, AFileHasAHostALineAndRoomForPeople) {
  const auto parsed =
      parse_host_lines("# banks\n*.bank.example\r\n\n  health.example   # since May\n10.0.0.0/8");
  ASSERT_TRUE(parsed);
  ASSERT_EQ(parsed->size(), 3u);
  const HostSet set{*parsed};
  EXPECT_TRUE(set.contains(to("a.bank.example:443")));
  EXPECT_TRUE(set.contains(to("health.example:443")));
  EXPECT_TRUE(parse_host_lines("")->empty());
}

TEST(HostSet, EveryFaultOfAFileHasItsLine) {
  const auto parsed = parse_host_lines("a.example\nb.example:443\n\nc.example d.example\n");
  ASSERT_FALSE(parsed);
  ASSERT_EQ(parsed.error().size(), 2u);
  EXPECT_EQ(parsed.error()[0].place.line, 2);
  EXPECT_EQ(parsed.error()[1].place.line, 4);
}

}  // namespace
}  // namespace penstock::policy
