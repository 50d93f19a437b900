#include "socks/asking.h"

#include <gtest/gtest.h>

#include <string>

#include "base/bytes.h"
#include "socks/rig_test.h"

namespace penstock::socks {
namespace {

using namespace std::string_literals;

http::Authority target(std::string_view text) {
  return http::parse_authority(text).value();
}

TEST(SocksOffer, HasAPasswordOnlyWhereThereIsOne) {
  EXPECT_EQ(offer(false), "\5\1\0"s);
  EXPECT_EQ(offer(true), "\5\2\0\2"s);
}

TEST(SocksChoice, IsOneOfThoseThatAreKnown) {
  expect_needs_every_byte(read_choice, "\5\0"s);
  expect_needs_every_byte(read_choice, "\5\2"s);
  expect_needs_every_byte(read_choice, "\5\xff"s);
  for (const auto& wrong : {"\5\1"s, "\5\3"s, "\4\0"s, "H"s, "\0"s}) {
    EXPECT_EQ(outcome(read_choice(bytes_of(wrong))), "parent_protocol");
  }
}

TEST(SocksLogIn, IsWhatOurServerReads) {
  const std::string said = log_in("me", "s:cret");
  const auto read = read_credentials(bytes_of(said));
  ASSERT_EQ(outcome(read), "taken");
  EXPECT_EQ((*read)->message.user, "me");
  EXPECT_EQ((*read)->message.password, "s:cret");
  expect_needs_every_byte(read_verdict, "\1\0"s);
  EXPECT_TRUE((*read_verdict(bytes_of("\1\0"s)))->message);
  EXPECT_FALSE((*read_verdict(bytes_of("\1\1"s)))->message);
  EXPECT_EQ(outcome(read_verdict(bytes_of("\5\0"s))), "parent_protocol");
}

TEST(SocksAsk, IsWhatOurServerReads) {
  for (const char* text : {"a.example:443", "192.0.2.7:80", "[2001:db8::7]:65535"}) {
    const std::string said = ask(target(text));
    const auto read = read_request(bytes_of(said));
    ASSERT_EQ(outcome(read), "taken") << text;
    EXPECT_EQ((*read)->message, target(text));
    EXPECT_EQ((*read)->length, said.size());
  }
  EXPECT_EQ(ask(target("a.test:443")), "\5\1\0\3\6a.test\1\xbb"s);
}

TEST(SocksAnswer, IsReadToItsLastByteAndNoFurther) {
  expect_needs_every_byte(read_answer, "\5\0\0\1\0\0\0\0\0\0"s);
  expect_needs_every_byte(read_answer, "\5\0\0\4"s + std::string(18, 'x'));
  expect_needs_every_byte(read_answer, "\5\0\0\3\0\0\0"s);
  expect_needs_every_byte(read_answer, "\5\0\0\3\xff"s + std::string(257, 'x'));
  EXPECT_EQ(("\5\0\0\3\xff"s + std::string(257, 'x')).size(), kAnswerBytesMax);
}

TEST(SocksAnswer, ThatIsANoNeedsNoMoreThanItsCode) {
  const auto read = read_answer(bytes_of("\5\5"s));
  ASSERT_EQ(outcome(read), "taken");
  EXPECT_EQ((*read)->message, 5);
  EXPECT_EQ(meaning_of(5).code, Code::kParentFailed);
  EXPECT_EQ(meaning_of(2).code, Code::kParentDenied);
  EXPECT_EQ(meaning_of(6).code, Code::kParentTimeout);
  for (const int other : {1, 7, 8, 9, 255}) {
    EXPECT_EQ(meaning_of(static_cast<uint8_t>(other)).code, Code::kParentSocks);
  }
}

TEST(SocksAnswer, ThatIsNoneIsRefusedAsSoonAsItShows) {
  for (const auto& wrong : {"\4"s, "\0"s, "H"s, "\5\0\1"s, "\5\0\0\0"s, "\5\0\0\2"s}) {
    EXPECT_EQ(outcome(read_answer(bytes_of(wrong))), "parent_protocol");
  }
}

}  // namespace
}  // namespace penstock::socks
