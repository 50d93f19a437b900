#include "http/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace penstock::http {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kBrowser =
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

std::string body_of(const std::string& page) {
  return page.substr(page.find("\r\n\r\n") + 4);
}

TEST(AcceptFields, OfBrowsersPreferHtml) {
  EXPECT_TRUE(prefers_html(kBrowser));
  EXPECT_TRUE(prefers_html("text/html"));
  EXPECT_TRUE(prefers_html("TEXT/HTML ; charset=utf-8 ; Q=0.001"));
  EXPECT_TRUE(prefers_html("text/*"));
  EXPECT_TRUE(prefers_html("*/*;q=0.1, text/html;q=0.2"));
  EXPECT_TRUE(prefers_html("application/xhtml+xml"));
}

TEST(AcceptFields, OfProgramsDoNot) {
  EXPECT_FALSE(prefers_html(""));
  EXPECT_FALSE(prefers_html("*/*"));
  EXPECT_FALSE(prefers_html("application/json, text/plain, */*"));
  EXPECT_FALSE(prefers_html("image/avif,image/webp,*/*;q=0.8"));
  EXPECT_FALSE(prefers_html("application/json, text/html;q=0.9"));
  EXPECT_FALSE(prefers_html("application/problem+json, text/html;q=0.5"));
  EXPECT_FALSE(prefers_html("text/html;q=0"));
  EXPECT_FALSE(prefers_html("text/html;q=0.5, */*"));
}

TEST(AcceptFields, MeanWhatIsMostSpecific) {
  EXPECT_FALSE(prefers_html("text/*, text/html;q=0"));
  EXPECT_TRUE(prefers_html("application/*, application/json;q=0.1, text/html;q=0.2"));
}

TEST(AcceptFields, WithWeightsThatAreNoneWeighNothing) {
  for (const char* weight : {"2", "1.001x", "0.0001", "-1", "", "1.", "x", "00"}) {
    const std::string field = "text/html;q=" + std::string(weight);
    EXPECT_EQ(prefers_html(field), std::string_view(weight) == "1.") << field;
  }
}

TEST(AcceptFields, AreReadToABound) {
  EXPECT_FALSE(prefers_html(std::string(1024, ' ') + "text/html"));
  std::string many;
  for (int i = 0; i < 32; ++i) many += "a/b,";
  EXPECT_FALSE(prefers_html(many + "text/html"));
}

TEST(ARefusalPage, IsHtmlForPeople) {
  const std::string page = refusal_page(Error{Code::kRequestDenied},
                                        {.accept = kBrowser, .host = "app.example", .id = "2-17"});
  EXPECT_THAT(page, StartsWith("HTTP/1.1 403 Forbidden\r\nProxy-Status: penstock; "
                               "error=http_request_denied; details=\"request_denied\"\r\n"
                               "Content-Type: text/html; charset=utf-8\r\n"));
  EXPECT_THAT(page, HasSubstr("\r\nContent-Security-Policy: default-src 'none'; "
                              "style-src 'unsafe-inline'\r\n"));
  EXPECT_THAT(page, HasSubstr("\r\nCache-Control: no-store\r\n"));
  for (const char* words :
       {"<h1>This is not allowed here</h1>", "<dd>app.example</dd>", "<code>2-17</code>",
        "<code>request_denied</code>", "The policy does not allow this request.",
        "the policy of this network", "This connection is inspected."}) {
    EXPECT_THAT(body_of(page), HasSubstr(words));
  }
  EXPECT_THAT(page, EndsWith("</html>\n"));
}

TEST(ARefusalPage, IsAProblemForPrograms) {
  const std::string page = refusal_page(Error{Code::kOriginCertificate},
                                        {.accept = "*/*", .host = "app.example", .id = "2-17"});
  EXPECT_THAT(page, StartsWith("HTTP/1.1 502 Bad Gateway\r\n"));
  EXPECT_THAT(page, HasSubstr("\r\nContent-Type: application/problem+json\r\n"));
  EXPECT_EQ(body_of(page),
            "{\"type\":\"about:blank\",\"title\":\"Bad Gateway\",\"status\":502,"
            "\"detail\":\"The certificate of the destination is not good: expired, revoked, for "
            "another name, or signed by nobody who is trusted.\",\"proxy\":\"penstock\","
            "\"proxy_status\":\"tls_certificate_error\",\"error\":\"origin_certificate\","
            "\"side\":\"origin\",\"host\":\"app.example\",\"id\":\"2-17\",\"inspected\":true}\n");
}

TEST(ARefusalPage, SaysOnlyTheLengthToHead) {
  const PageDetails details{.accept = kBrowser, .host = "a.example"};
  PageDetails head = details;
  head.head = true;
  const std::string whole = refusal_page(Error{Code::kRequestDenied}, details);
  EXPECT_EQ(refusal_page(Error{Code::kRequestDenied}, head),
            whole.substr(0, whole.find("\r\n\r\n") + 4));
}

TEST(ARefusalPage, ReflectsNothingUnescaped) {
  const std::string_view hostile = "<script>alert('1')&\"\r\n\x80\xff";
  const std::string page =
      body_of(refusal_page(Error{Code::kRequestDenied}, {.accept = kBrowser, .host = hostile}));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(&#39;1&#39;)&amp;&quot;"));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(body_of(refusal_page(Error{Code::kRequestDenied}, {.host = hostile})),
              HasSubstr("\"host\":\"<script>alert('1')&\\\"\\u000d\\u000a\\u0080\\u00ff\""));
}

TEST(ARefusalPage, IsFramedAndSaysTheSentenceForEveryRowThatHasAStatus) {
  for (int code = 0; code < kCodeCount; ++code) {
    const Error error{static_cast<Code>(code)};
    if (error.facts().status == 0) continue;
    for (const std::string_view accept : {kBrowser, std::string_view("*/*")}) {
      const std::string page = refusal_page(error, {.accept = accept});
      const std::string body = body_of(page);
      EXPECT_THAT(page, HasSubstr("\r\nContent-Length: " + std::to_string(body.size()) + "\r\n"));
      EXPECT_THAT(body, HasSubstr(error.facts().word));
      if (accept == "*/*") EXPECT_THAT(body, HasSubstr(error.facts().sentence));
    }
  }
}

TEST(ARefusalPage, SaysWhenToComeBackAndWhy) {
  const std::string page = refusal_page(
      Error{Code::kBreakerOpen},
      {.accept = kBrowser, .refusal = {.retry_after = 3, .cause = Code::kDialTimeout}});
  EXPECT_THAT(page, HasSubstr("\r\nRetry-After: 3\r\n"));
  EXPECT_THAT(page, HasSubstr("The last failure: The destination did not answer in time.</p>"));
}

}  // namespace
}  // namespace penstock::http
