#include "admission/quota_list.h"

#include <gtest/gtest.h>

namespace penstock::admission {
namespace {

QuotaSpec named(const char* name, std::vector<const char*> clients = {},
                std::vector<const char*> identities = {}) {
  QuotaSpec spec;
  spec.name = name;
  spec.limits.tunnels = 1;
  for (const char* client : clients) spec.clients.push_back({client, {}});
  for (const char* identity : identities) spec.identities.push_back({identity, {}});
  return spec;
}

policy::Asker asker(const char* client, std::string_view identity = {}) {
  return {*IpAddress::parse(client), identity};
}

std::string found(const QuotaList& list, const policy::Asker& asker) {
  const Quota* quota = list.find(asker);
  return quota == nullptr ? "none" : quota->name;
}

TEST(QuotaList, LetsTheFirstThatMatchesDecide) {
  const auto list = QuotaList::compile(
      {named("one host", {"10.1.1.1"}), named("ci", {}, {"ci-*"}), named("net", {"10.0.0.0/8"})},
      0);
  ASSERT_TRUE(list);
  EXPECT_EQ(found(*list, asker("10.1.1.1", "ci-7")), "one host");
  EXPECT_EQ(found(*list, asker("10.1.1.2", "ci-7")), "ci");
  EXPECT_EQ(found(*list, asker("10.1.1.2")), "net");
  EXPECT_EQ(found(*list, asker("192.0.2.1")), "none");
}

TEST(QuotaList, LeavesTheOthersToTheLimitPerClient) {
  const auto list = QuotaList::compile({named("net", {"10.0.0.0/8"})}, 5);
  ASSERT_TRUE(list);
  const Quota* quota = list->find(asker("192.0.2.1"));
  ASSERT_NE(quota, nullptr);
  EXPECT_EQ(quota->name, "limits.tunnels_per_client");
  EXPECT_EQ(quota->limits.tunnels, 5u);
  EXPECT_EQ(quota->each, Each::kClient);
  EXPECT_EQ(found(*list, asker("10.0.0.1")), "net");
}

TEST(QuotaList, SeesAV4ClientBehindAV6Socket) {
  const auto list = QuotaList::compile({named("net", {"10.0.0.0/8"})}, 0);
  ASSERT_TRUE(list);
  EXPECT_EQ(found(*list, asker("::ffff:10.0.0.1")), "net");
}

TEST(QuotaList, GivesSetUpsTheBurstOfTheirIntervalUnlessOneIsWritten) {
  QuotaSpec plain = named("plain");
  plain.limits.setups = {300, std::chrono::minutes(1)};
  const auto list = QuotaList::compile({plain}, 0);
  ASSERT_TRUE(list);
  EXPECT_EQ(list->find(asker("10.0.0.1"))->limits.burst, 300u);
  plain.limits.burst = 7;
  const auto other = QuotaList::compile({plain}, 0);
  ASSERT_TRUE(other);
  EXPECT_EQ(other->find(asker("10.0.0.1"))->limits.burst, 7u);
}

TEST(QuotaList, NamesAllThatIsWrongWithIt) {
  const auto list =
      QuotaList::compile({named("a", {"10.0.0.1/8"}), named("a", {"::ffff:10.0.0.0/104"}),
                          named("limits.tunnels_per_client"), named("b", {}, {""})},
                         0);
  ASSERT_FALSE(list);
  ASSERT_EQ(list.error().size(), 5u);
  EXPECT_EQ(list.error()[0].message,
            "clients: \"10.0.0.1/8\" has bits behind its length; the network is 10.0.0.0/8");
  EXPECT_EQ(list.error()[1].message, "name: \"a\" is taken by the quota in line 0; write another");
  EXPECT_EQ(list.error()[2].message,
            "clients: \"::ffff:10.0.0.0/104\" is an IPv4 prefix in disguise; write 10.0.0.0/8");
}

}  // namespace
}  // namespace penstock::admission
