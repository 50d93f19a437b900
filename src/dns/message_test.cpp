#include "dns/message.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "base/random.h"
#include "dns/scripted_messages.h"

namespace penstock::dns {
namespace {

using scripted::Writer;

constexpr std::string_view kName = "www.example.com";

Writer reply_a(scripted::Flags flags = {}) {
  return Writer(7, kName, RecordType::kA, flags);
}
Reply read_a(const Message& message) {
  return read_reply(message, kName, RecordType::kA);
}
Reply read_a(const Writer& writer) {
  return read_a(writer.done());
}

std::string text(const Reply& reply) {
  std::string out;
  for (const IpAddress& address : reply.addresses) out += address.text() + ' ';
  return out;
}

TEST(Query, IsARecursiveQuestionWithTheOptRecordLast) {
  const auto query = encode_query("ab.c", RecordType::kAaaa, 0x1234);
  const Message expected = {0x12, 0x34, 1,  0, 0, 1, 0, 0,  0,    0,    0, 1, 2, 'a', 'b', 1, 'c',
                            0,    0,    28, 0, 1, 0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0,   0,   0};
  EXPECT_EQ(query, expected);
}

TEST(Query, HoldsTheLongestName) {
  const std::string label(63, 'x');
  const std::string name = label + '.' + label + '.' + label + '.' + std::string(61, 'y');
  ASSERT_EQ(name.size(), kNameMax);
  EXPECT_EQ(encode_query(name, RecordType::kA, 1).size(), 12 + 255 + 4 + 11u);
}

TEST(Reply, GivesTheAddressesInOrderOnceEachWithTheLeastTtl) {
  const Reply reply = read_a(reply_a()
                                 .address(kName, "192.0.2.9", 300)
                                 .address(kName, "192.0.2.1", 20)
                                 .address(kName, "192.0.2.9", 300));
  EXPECT_EQ(reply.finding, Finding::kAddresses);
  EXPECT_EQ(text(reply), "192.0.2.9 192.0.2.1 ");
  EXPECT_EQ(reply.ttl, 20u);
}

TEST(Reply, GivesIpv6AddressesToTheQuestionForThem) {
  const auto message = Writer(7, kName, RecordType::kAaaa)
                           .address(kName, "192.0.2.1", 5)
                           .address(kName, "2001:db8::1", 9)
                           .done();
  const Reply reply = read_reply(message, kName, RecordType::kAaaa);
  EXPECT_EQ(text(reply), "2001:db8::1 ");
  EXPECT_EQ(reply.ttl, 9u);
}

TEST(Reply, KeepsABoundedNumberOfAddresses) {
  Writer writer = reply_a();
  for (int i = 0; i < 200; ++i) writer.address(kName, "192.0.2." + std::to_string(i), 60);
  EXPECT_EQ(read_a(writer).addresses.size(), kAddressesMax);
}

TEST(Reply, FollowsAliasesInWhateverOrderTheyStandAndTakesTheirTtl) {
  const Reply reply = read_a(reply_a()
                                 .address("c.example", "192.0.2.1", 300)
                                 .alias("b.example", "c.example", 7)
                                 .alias(kName, "b.example", 200));
  EXPECT_EQ(text(reply), "192.0.2.1 ");
  EXPECT_EQ(reply.ttl, 7u);
}

TEST(Reply, IgnoresRecordsOfOtherNames) {
  const Reply other = read_a(reply_a().address("evil.example", "192.0.2.66", 60));
  EXPECT_EQ(other.finding, Finding::kNoAddress);
  const Reply mixed = read_a(reply_a()
                                 .address("evil.example", "192.0.2.66", 1)
                                 .alias("evil.example", "worse.example", 1)
                                 .address(kName, "192.0.2.1", 60));
  EXPECT_EQ(text(mixed), "192.0.2.1 ");
  EXPECT_EQ(mixed.ttl, 60u);
}

TEST(Reply, ComparesNamesWithoutCaseButNotAcrossLabels) {
  EXPECT_EQ(text(read_a(reply_a().address("WwW.eXample.COM", "192.0.2.1", 60))), "192.0.2.1 ");
  // One label "www.example" and then "com": the same text, another name.
  Message message = reply_a().address("wwwxexample.com", "192.0.2.1", 60).done();
  const std::string needle = "wwwxexample";
  auto found = std::search(message.begin() + 12, message.end(), needle.begin(), needle.end());
  ASSERT_NE(found, message.end());
  found[3] = '.';
  EXPECT_EQ(read_a(message).finding, Finding::kNoAddress);
}

TEST(Reply, FollowsAChainOfBoundedLengthOnly) {
  const auto chain = [](size_t links) {
    Writer writer = reply_a();
    std::string owner(kName);
    for (size_t i = 0; i < links; ++i) {
      const std::string target = "n" + std::to_string(i) + ".example";
      writer.alias(owner, target, 60);
      owner = target;
    }
    return read_a(writer.address(owner, "192.0.2.1", 60));
  };
  EXPECT_EQ(chain(kChainMax).finding, Finding::kAddresses);
  EXPECT_EQ(chain(kChainMax + 1).finding, Finding::kFailed);
}

TEST(Reply, FailsOnAnAliasLoop) {
  const Writer loop = reply_a().alias(kName, "b.example", 60).alias("b.example", kName, 60);
  EXPECT_EQ(read_a(loop).finding, Finding::kFailed);
  EXPECT_EQ(read_a(reply_a().alias(kName, kName, 60)).finding, Finding::kFailed);
}

TEST(Reply, TakesTheLifeOfAbsenceFromTheSoaRecord) {
  const Reply none = read_a(reply_a().authority("example.com", 900, 30));
  EXPECT_EQ(none.finding, Finding::kNoAddress);
  EXPECT_EQ(none.ttl, 30u);
  const Reply no_name = read_a(reply_a({.rcode = 3}).authority("example.com", 15, 30));
  EXPECT_EQ(no_name.finding, Finding::kNoSuchName);
  EXPECT_EQ(no_name.ttl, 15u);
  EXPECT_EQ(read_a(reply_a({.rcode = 3})).ttl, kNoTtl);
}

TEST(Reply, TakesNoAddressesBesideNxdomain) {
  const Reply reply = read_a(reply_a({.rcode = 3}).address(kName, "192.0.2.1", 60));
  EXPECT_EQ(reply.finding, Finding::kNoSuchName);
  EXPECT_TRUE(reply.addresses.empty());
}

TEST(Reply, FailsOnErrorsOfTheServerAndOnTruncation) {
  for (const int rcode : {1, 2, 4, 5, 9}) {
    EXPECT_EQ(read_a(reply_a({.rcode = rcode})).finding, Finding::kFailed) << rcode;
  }
  const Writer cut = reply_a({.truncated = true}).address(kName, "192.0.2.1", 60);
  EXPECT_EQ(read_a(cut).finding, Finding::kFailed);
}

TEST(Reply, FailsOnAnotherQuestion) {
  const auto other_name = Writer(7, "evil.example", RecordType::kA).address(kName, "192.0.2.1", 60);
  EXPECT_EQ(read_a(other_name).finding, Finding::kFailed);
  const auto other_type = Writer(7, kName, RecordType::kAaaa).address(kName, "192.0.2.1", 60);
  EXPECT_EQ(read_a(other_type).finding, Finding::kFailed);
  Message query = reply_a().address(kName, "192.0.2.1", 60).done();
  query[2] &= 0x7f;
  EXPECT_EQ(read_a(query).finding, Finding::kFailed);
}

TEST(Reply, TreatsATtlWithItsTopBitSetAsZero) {
  EXPECT_EQ(read_a(reply_a().address(kName, "192.0.2.1", 0x80000001)).ttl, 0u);
}

// The owner of the one answer is replaced by these bytes.
Reply with_owner(std::initializer_list<uint8_t> owner) {
  Message message = reply_a().address("", "192.0.2.1", 60).done();
  const size_t at = 12 + kName.size() + 2 + 4;
  message.erase(message.begin() + at);
  message.insert(message.begin() + at, owner);
  return read_a(message);
}

TEST(Reply, FollowsCompressionPointersBackwardsOnly) {
  EXPECT_EQ(text(with_owner({0xc0, 12})), "192.0.2.1 ");
  EXPECT_EQ(text(with_owner({3, 'w', 'w', 'w', 0xc0, 16})), "192.0.2.1 ");
  const uint8_t here = 12 + kName.size() + 2 + 4;
  EXPECT_EQ(with_owner({0xc0, here}).finding, Finding::kFailed);          // itself
  EXPECT_EQ(with_owner({1, 'a', 0xc0, here}).finding, Finding::kFailed);  // its own start
  EXPECT_EQ(with_owner({0xc0, static_cast<uint8_t>(here + 2)}).finding, Finding::kFailed);
  EXPECT_EQ(with_owner({0xff, 0xff}).finding, Finding::kFailed);  // beyond the end
  EXPECT_EQ(with_owner({0x41, 0}).finding, Finding::kFailed);     // unknown label
}

TEST(Reply, FailsAtEveryLengthShorterThanTheWhole) {
  const Message whole = reply_a()
                            .alias(kName, "b.example", 60)
                            .address("b.example", "192.0.2.1", 60)
                            .address("b.example", "192.0.2.2", 60)
                            .done();
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto cut = std::span(whole).first(size);
    ASSERT_EQ(read_reply(cut, kName, RecordType::kA).finding, Finding::kFailed) << size;
  }
  EXPECT_EQ(read_a(whole).addresses.size(), 2u);
}

TEST(Reply, FailsOnAnAddressOfTheWrongSize) {
  Message message = reply_a().address(kName, "192.0.2.1", 60).done();
  message.pop_back();
  message[message.size() - 4] = 3;
  EXPECT_EQ(read_a(message).finding, Finding::kFailed);
}

TEST(Reply, NeverGivesAnAddressOfAnotherFamilyHoweverItIsDamaged) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  Random random(seed);
  const Message whole = reply_a()
                            .alias(kName, "b.example", 60)
                            .address("b.example", "192.0.2.1", 60)
                            .authority("example", 1, 1)
                            .done();
  for (int round = 0; round < 20'000; ++round) {
    Message damaged = whole;
    for (int i = 0; i < 3; ++i) {
      damaged[random.below(damaged.size())] = static_cast<uint8_t>(random.next());
    }
    const Reply reply = read_a(damaged);
    ASSERT_EQ(reply.finding == Finding::kAddresses, !reply.addresses.empty());
    for (const IpAddress& address : reply.addresses) ASSERT_FALSE(address.v6);
  }
}

}  // namespace
}  // namespace penstock::dns
