#include "socks/messages.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "socks/rig_test.h"

namespace penstock::socks {
namespace {

using namespace std::string_literals;

std::string request_by_name(const std::string& name, const std::string& port = "\x01\xbb") {
  return "\5\1\0\3"s + static_cast<char>(name.size()) + name + port;
}

std::string target_of(const std::string& message) {
  const auto reading = read_request(bytes_of(message));
  return reading && *reading ? (*reading)->message.text() : outcome(reading);
}

TEST(SocksGreeting, IsReadToItsLastByteAndNoFurther) {
  expect_needs_every_byte(read_greeting, "\5\3\0\1\2"s);
  expect_needs_every_byte(read_greeting, "\5\xff"s + std::string(255, '\2'));
}

TEST(SocksGreeting, SaysWhatOfItIsKnownHere) {
  const struct {
    std::string bytes;
    bool anonymous, password;
  } cases[] = {{"\5\1\0"s, true, false},
               {"\5\1\2"s, false, true},
               {"\5\3\1\2\0"s, true, true},
               {"\5\2\1\x80"s, false, false},
               {"\5\0"s, false, false}};
  for (const auto& row : cases) {
    const auto reading = read_greeting(bytes_of(row.bytes));
    ASSERT_EQ(outcome(reading), "taken");
    EXPECT_EQ((*reading)->message.anonymous, row.anonymous);
    EXPECT_EQ((*reading)->message.password, row.password);
  }
}

TEST(SocksGreeting, NamesSocks4ByItsFirstByte) {
  EXPECT_EQ(outcome(read_greeting(bytes_of("\4"))), "socks4");
  EXPECT_EQ(outcome(read_greeting(bytes_of("\4\1\1\xbb\x7f\0\0\1user\0"s))), "socks4");
  EXPECT_EQ(outcome(read_greeting(bytes_of("\6"))), "bad_socks");
}

TEST(SocksCredentials, AreBytesAsTheyWereSent) {
  const std::string message = "\1\5al\0ce\3p:w"s;
  expect_needs_every_byte(read_credentials, message);
  const auto reading = read_credentials(bytes_of(message));
  EXPECT_EQ((*reading)->message.user, "al\0ce"s);
  EXPECT_EQ((*reading)->message.password, "p:w");
}

TEST(SocksCredentials, NeedAUserAndTheirOwnVersion) {
  EXPECT_EQ(outcome(read_credentials(bytes_of("\5"))), "bad_socks");
  EXPECT_EQ(outcome(read_credentials(bytes_of("\1\0"s))), "bad_socks");
  EXPECT_EQ(outcome(read_credentials(bytes_of("\1\1a\0"s))), "taken");
}

TEST(SocksRequest, IsReadToItsLastByteAndNoFurther) {
  expect_needs_every_byte(read_request, "\5\1\0\1\xc0\0\2\1\x01\xbb"s);
  expect_needs_every_byte(read_request, "\5\1\0\4"s + std::string(16, '\1') + "\x01\xbb");
  expect_needs_every_byte(read_request, request_by_name("api.example.com"));
}

TEST(SocksRequest, MeansTheSameAsAConnectToTheSameTarget) {
  EXPECT_EQ(target_of("\5\1\0\1\xc0\0\2\1\x01\xbb"s), "192.0.2.1:443");
  EXPECT_EQ(target_of("\5\1\0\4\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\x50"s), "[2001:db8::1]:80");
  EXPECT_EQ(target_of(request_by_name("API.Example.com.")), "api.example.com:443");
  EXPECT_EQ(target_of(request_by_name("a", "\xff\xff")), "a:65535");
}

TEST(SocksRequest, TakesAnAddressInTheFormOfANameForThatAddress) {
  const auto reading = read_request(bytes_of(request_by_name("127.0.0.1")));
  ASSERT_EQ(outcome(reading), "taken");
  EXPECT_EQ((*reading)->message.literal, IpAddress::from_v4(127, 0, 0, 1));
}

TEST(SocksRequest, RefusesNamesThatTwoReadersWouldReadInTwoWays) {
  const struct {
    std::string name;
    std::string_view word;
  } cases[] = {{"", "bad_host_name"},
               {"evil.example\0.good.example"s, "bad_host_name"},
               {"evil.example:22", "bad_port"},
               {"user@good.example", "userinfo"},
               {"good.example/", "target_form"},
               {"good example", "bad_host_name"},
               {"2130706433", "numeric_host"},
               {"0x7f.1", "numeric_host"},
               {"::1", "bad_ipv6"},
               {"[127.0.0.1]", "bad_ipv6"},
               {std::string(255, 'a'), "bad_host_name"}};
  for (const auto& row : cases) EXPECT_EQ(target_of(request_by_name(row.name)), row.word);
}

TEST(SocksRequest, RefusesWhatItDoesNotCarryAsSoonAsItCanTell) {
  EXPECT_EQ(target_of("\4"s), "bad_socks");
  EXPECT_EQ(target_of("\5\2"s), "socks_command");
  EXPECT_EQ(target_of("\5\3"s), "socks_command");
  EXPECT_EQ(target_of("\5\1\1"s), "bad_socks");
  EXPECT_EQ(target_of("\5\1\0\2"s), "socks_address_type");
  EXPECT_EQ(target_of("\5\1\0\1\xc0\0\2\1\0\0"s), "bad_port");
  EXPECT_EQ(target_of(request_by_name("a", "\0\0"s)), "bad_port");
}

TEST(SocksRequest, IsSketchedForALogThatTakesNoBinary) {
  const auto sketch = [](const std::string& bytes) { return sketch_request(bytes_of(bytes)); };
  EXPECT_EQ(sketch(request_by_name("evil.example:22")), "CONNECT evil.example:22:443");
  EXPECT_EQ(sketch(request_by_name("user:secret@evil")), "CONNECT evil:443");
  EXPECT_EQ(sketch(request_by_name("evil\nfake log line")), "CONNECT evil:443");
  EXPECT_EQ(sketch("\5\2\0\1\xc0\0\2\1\x01\xbb"s), "BIND 192.0.2.1:443");
  EXPECT_EQ(sketch("\5\3\0\1\0\0"s), "UDP-ASSOCIATE");
  EXPECT_EQ(sketch("\5\1\0\2"s), "CONNECT");
  EXPECT_EQ(sketch("\5\x09"), "");
  EXPECT_EQ(sketch("\5"), "");
}

TEST(SocksReply, SaysHowItEndedAndNotWhereFrom) {
  EXPECT_EQ(answer(Reply::kSucceeded), "\5\0\0\1\0\0\0\0\0\0"s);
  EXPECT_EQ(answer(Reply::kTimedOut), "\5\6\0\1\0\0\0\0\0\0"s);
  EXPECT_EQ(choose(Method::kNone), "\5\xff"s);
  EXPECT_EQ(choose(Method::kPassword), "\5\2"s);
  EXPECT_EQ(password_answer(true), "\1\0"s);
  EXPECT_EQ(password_answer(false), "\1\1"s);
  EXPECT_EQ(refuse_version4(), "\0\x5b\0\0\0\0\0\0"s);
}

TEST(SocksReply, IsChosenByWhatWentWrong) {
  const struct {
    Error error;
    Reply reply;
  } cases[] = {{{Code::kNameDenied}, Reply::kNotAllowed},
               {{Code::kAddressDenied}, Reply::kNotAllowed},
               {{Code::kLoop}, Reply::kNotAllowed},
               {{Code::kUnroutable, ENETUNREACH}, Reply::kNetworkUnreachable},
               {{Code::kUnroutable, EHOSTUNREACH}, Reply::kHostUnreachable},
               {{Code::kNoSuchName}, Reply::kHostUnreachable},
               {{Code::kRefused, ECONNREFUSED}, Reply::kRefused},
               {{Code::kDialTimeout}, Reply::kTimedOut},
               {{Code::kDnsTimeout}, Reply::kTimedOut},
               {{Code::kNoSeat}, Reply::kFailure},
               {{Code::kClientRate}, Reply::kFailure},
               {{Code::kBadHostName}, Reply::kFailure},
               {{Code::kSocksCommand}, Reply::kCommandUnsupported},
               {{Code::kSocksAddressType}, Reply::kAddressTypeUnsupported}};
  for (const auto& row : cases) {
    EXPECT_EQ(reply_for(row.error), row.reply) << row.error.facts().word;
  }
}

TEST(SocksReply, NeverSaysSuccessOfAnError) {
  for (int code = 0; code < kCodeCount; ++code) {
    EXPECT_NE(reply_for({static_cast<Code>(code)}), Reply::kSucceeded);
  }
}

}  // namespace
}  // namespace penstock::socks
