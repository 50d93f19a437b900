#include "http/reply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/ascii.h"

namespace penstock::http {
namespace {

using namespace std::chrono_literals;  // 5us reads better than a constructor
using testing::HasSubstr;
using testing::Not;

TEST(EstablishedReply, HasNoLengthNoCodingAndNoBody) {
  EXPECT_EQ(established_reply(std::nullopt),
            "HTTP/1.1 200 Connection Established\r\nProxy-Status: penstock\r\n\r\n");
}

TEST(EstablishedReply, TellsTheProxysShareInMillisecondsWithThreeDecimals) {
  EXPECT_EQ(established_reply(ServerTiming{1234us, 20'100us}),
            "HTTP/1.1 200 Connection Established\r\nProxy-Status: penstock\r\n"
            "Server-Timing: resolve;dur=1.234, dial;dur=20.100\r\n\r\n");
  EXPECT_THAT(established_reply(ServerTiming{0ns, 999ns}),
              HasSubstr("resolve;dur=0.000, dial;dur=0.000\r\n"));
  EXPECT_THAT(established_reply(ServerTiming{5us, 65'432'007us}),
              HasSubstr("resolve;dur=0.005, dial;dur=65432.007\r\n"));
  EXPECT_THAT(established_reply(ServerTiming{-5ms, 1ms}), HasSubstr("resolve;dur=0.000, "));
}

TEST(RefusalReply, IsTheWholeMessageAndNothingElse) {
  EXPECT_EQ(refusal_reply(Error{Code::kNameDenied}),
            "HTTP/1.1 403 Forbidden\r\n"
            "Proxy-Status: penstock; error=http_request_denied; details=\"name_denied\"\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Length: 54\r\n"
            "Connection: close\r\n"
            "Cache-Control: no-store\r\n"
            "\r\n"
            "penstock: The policy does not allow this destination.\n");
}

TEST(RefusalReply, SaysWhenToComeBackOnlyWhenTold) {
  EXPECT_THAT(refusal_reply(Error{Code::kNoSeat}, {3}), HasSubstr("\r\nRetry-After: 3\r\n"));
  EXPECT_THAT(refusal_reply(Error{Code::kNoSeat}, {-1}), HasSubstr("\r\nRetry-After: 0\r\n"));
  EXPECT_THAT(refusal_reply(Error{Code::kNoSeat}), Not(HasSubstr("Retry-After")));
}

TEST(RefusalReply, ShowsNothingOfTheKernelsError) {
  EXPECT_EQ(refusal_reply(Error{Code::kRefused, 111}), refusal_reply(Error{Code::kRefused}));
}

std::string field_of(const std::string& reply, const std::string& name) {
  const size_t at = reply.find("\r\n" + name + ": ");
  if (at == reply.npos) return {};
  const size_t value = at + name.size() + 4;
  return reply.substr(value, reply.find("\r\n", value) - value);
}

bool is_structured_token(std::string_view text) {
  if (text.empty() || !is_alpha(text[0])) return false;
  return text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == text.npos;
}

TEST(RefusalReply, IsFramedAndWellFormedForEveryRowThatHasAStatus) {
  int replies = 0;
  for (int code = 0; code < kCodeCount; ++code) {
    const Error error{static_cast<Code>(code)};
    if (error.facts().status == 0) continue;
    ++replies;
    SCOPED_TRACE(error.facts().name);
    const std::string reply = refusal_reply(error);
    const size_t end = reply.find("\r\n\r\n");
    ASSERT_NE(end, reply.npos);
    EXPECT_EQ(field_of(reply, "Content-Length"), std::to_string(reply.size() - end - 4));
    EXPECT_EQ(field_of(reply, "Connection"), "close");
    EXPECT_EQ(reply.substr(end + 4), "penstock: " + std::string(error.facts().sentence) + "\n");
    EXPECT_TRUE(is_structured_token(error.facts().proxy_status));
    EXPECT_TRUE(is_structured_token(error.facts().word));
    EXPECT_EQ(reply.substr(0, 13), "HTTP/1.1 " + std::to_string(error.facts().status) + " ");
  }
  EXPECT_GT(replies, 30);
}

TEST(RefusalReplyDeathTest, RefusesAnErrorNobodyIsListeningFor) {
  EXPECT_DEATH(refusal_reply(Error{Code::kIdle}), "reply.cpp");
}

TEST(RefusalReply, NamesTheFailureThatABreakerWasOpenedBy) {
  const std::string reply = refusal_reply(Error{Code::kBreakerOpen}, {3, Code::kDialTimeout});
  EXPECT_THAT(reply, HasSubstr("\r\nRetry-After: 3\r\n"));
  EXPECT_THAT(reply, HasSubstr("Proxy-Status: penstock; error=destination_unavailable; "
                               "details=\"breaker_open: dial_timeout\"\r\n"));
  EXPECT_THAT(reply, HasSubstr("The last failure: The destination did not answer in time.\n"));
}

TEST(RefusalReply, OfMissingCredentialsSaysWhichAreTakenAndMayKeepTheConnection) {
  const std::string fields = "Proxy-Authenticate: Basic realm=\"penstock\"\r\n";
  const std::string kept =
      refusal_reply(Error{Code::kCredentialsMissing}, {.challenges = fields, .may_repeat = true});
  EXPECT_THAT(kept, testing::StartsWith("HTTP/1.1 407 Proxy Authentication Required\r\n"));
  EXPECT_THAT(kept, HasSubstr("\r\n" + fields));
  EXPECT_THAT(kept, Not(HasSubstr("Connection: close")));
  EXPECT_THAT(refusal_reply(Error{Code::kCredentialsMissing}, {.challenges = fields}),
              HasSubstr("\r\n" + fields + "Connection: close\r\n"));
}

}  // namespace
}  // namespace penstock::http
