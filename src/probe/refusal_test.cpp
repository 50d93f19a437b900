#include "probe/refusal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "http/reply.h"

namespace penstock::probe {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string head_with(int status, std::string_view fields) {
  return "HTTP/1.1 " + std::to_string(status) + " No\r\n" + std::string(fields) + "\r\n";
}

TEST(Refusal, OfPenstockIsReadInFull) {
  const std::string reply = http::refusal_reply(Error{Code::kNameDenied}, {});
  const size_t body = reply.find("\r\n\r\n") + 4;
  const Refusal read = read_refusal(403, reply.substr(0, body), reply.substr(body));
  EXPECT_EQ(what_was_said(read),
            "refused with 403: penstock reports http_request_denied (name_denied); it says "
            "\"penstock: The policy does not allow this destination.\"");
  EXPECT_THAT(what_it_means(read), StartsWith("The proxy's policy does not allow this origin"));
}

TEST(Refusal, IsTheNearestProxysThatReportsAnError) {
  const Refusal read = read_refusal(
      502, head_with(502, "Proxy-Status: far; error=dns_error, near; error=dns_timeout, next\r\n"),
      "");
  EXPECT_EQ(read.proxy, "near");
  EXPECT_EQ(read.error, "dns_timeout");
}

TEST(Refusal, WithoutProxyStatusIsExplainedByItsStatus) {
  EXPECT_THAT(what_it_means({.status = 407, .proxy = {}, .error = {}, .details = {}, .text = {}}),
              HasSubstr("USER:PASSWORD"));
  EXPECT_THAT(what_it_means({.status = 405, .proxy = {}, .error = {}, .details = {}, .text = {}}),
              HasSubstr("takes no CONNECT"));
  EXPECT_THAT(what_it_means({.status = 302, .proxy = {}, .error = {}, .details = {}, .text = {}}),
              HasSubstr("captive portal"));
  EXPECT_THAT(
      what_it_means({.status = 599, .proxy = {}, .error = "made_up", .details = {}, .text = {}}),
      HasSubstr("failed to open the tunnel"));
}

TEST(Refusal, OfEveryErrorThatPenstockGivesIsExplainedByMoreThanItsStatus) {
  for (int i = 0; i < kCodeCount; ++i) {
    const ErrorFacts& row = facts(static_cast<Code>(i));
    if (row.status == 0) continue;
    const Refusal refusal{.status = 0,
                          .proxy = {},
                          .error = std::string(row.proxy_status),
                          .details = {},
                          .text = {}};
    EXPECT_NE(what_it_means(refusal), "The proxy does not open the tunnel.") << row.proxy_status;
  }
}

TEST(Refusal, ShowsNoHtmlAndNoControlBytes) {
  EXPECT_EQ(read_refusal(403, head_with(403, "Content-Type: text/html\r\n"), "<h1>no").text, "");
  EXPECT_EQ(read_refusal(403, head_with(403, "Content-Type: Text/Plain\r\n"),
                         "no\x1b[2Jway\r\nsecond line")
                .text,
            "no?[2Jway");
}

TEST(Printable, IsOneLineOfAsciiOfAtMostSoManyBytes) {
  EXPECT_EQ(printable("a\tb\nc\x7f\xc2\x9b"), "a?b?c???");
  EXPECT_EQ(printable("abcdef", 3), "abc...");
}

}  // namespace
}  // namespace penstock::probe
