#include "icap/heads.h"

#include <gtest/gtest.h>

#include <string>

#include "http/answer.h"
#include "http/request_parts.h"

namespace penstock::icap {
namespace {

constexpr http::HeadLimits kLimits{};
constexpr std::string_view kName = "penstock-7";
const http::Authority kInside{"a.test", std::nullopt, 443};

std::string lines(std::string text) {
  std::string out;
  for (const char c : text) out += c == '\n' ? std::string("\r\n") : std::string(1, c);
  return out;
}

http::ForwardRequest asked(const std::string& text,
                           http::Carrier carrier = http::Carrier::kConnection) {
  auto request = http::parse_forward(lines(text), kLimits, kName, carrier, &kInside);
  EXPECT_TRUE(request) << (request ? "" : request.error().facts().word);
  return std::move(*request);
}

http::ForwardAnswer answered(const std::string& text, const http::ForwardRequest& request) {
  auto answer = http::parse_forward_answer(lines(text), request, true, kName);
  EXPECT_TRUE(answer);
  return std::move(*answer);
}

const std::string kPost =
    "POST /x?y HTTP/1.1\nHost: a.test\nX: 1\nVia: 1.1 before\nTransfer-Encoding: chunked\n\n";

TEST(ShownHead, IsTheClientsRequestInAbsoluteFormWithoutFramingAndOurVia) {
  EXPECT_EQ(shown_head(asked(kPost)),
            lines("POST https://a.test/x?y HTTP/1.1\nHost: a.test\nX: 1\nVia: 1.1 before\n\n"));
  EXPECT_EQ(shown_head(asked("OPTIONS * HTTP/1.1\nHost: a.test\nMax-Forwards: 3\n\n")),
            lines("OPTIONS https://a.test HTTP/1.1\nHost: a.test\nMax-Forwards: 3\n\n"));
}

TEST(ShownHead, OfAnAnswerIsTheOriginsWithoutWhatIsBetweenNeighbours) {
  const auto request = asked("GET / HTTP/1.0\nHost: a.test\n\n");
  EXPECT_EQ(shown_head(answered("HTTP/1.1 200 Fine\nA: b\nConnection: x\nX: y\n"
                                "Transfer-Encoding: chunked\n\n",
                                request)),
            lines("HTTP/1.1 200 Fine\nA: b\n\n"));
}

TEST(ShownHead, ComesBackAsTheSameRequest) {
  for (const auto carrier : {http::Carrier::kConnection, http::Carrier::kStream}) {
    const auto original = asked(kPost, carrier);
    const auto changed = read_request(shown_head(original), true, original, kLimits, kName);
    ASSERT_TRUE(changed);
    EXPECT_EQ(changed->request.head, original.head);
    EXPECT_EQ(changed->request.persists, original.persists);
    EXPECT_FALSE(changed->promised);
  }
  const auto upgrade =
      asked("GET /ws HTTP/1.1\nHost: a.test\nConnection: Upgrade\nUpgrade: websocket\n\n");
  const auto changed = read_request(shown_head(upgrade), false, upgrade, kLimits, kName);
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed->request.head, upgrade.head);
  const auto options = asked("OPTIONS * HTTP/1.1\nHost: a.test\nMax-Forwards: 3\n\n");
  EXPECT_EQ(read_request(shown_head(options), false, options, kLimits, kName)->request.head,
            options.head);
}

Result<ChangedRequest> change(const std::string& head, bool body,
                              const std::string& original = "GET / HTTP/1.1\nHost: a.test\n\n") {
  return read_request(lines(head), body, asked(original), kLimits, kName);
}

TEST(ChangedRequest, GoesWhereItWasToGoAndNowhereElse) {
  EXPECT_TRUE(change("GET /other HTTP/1.1\nHost: a.test\n\n", false));
  EXPECT_TRUE(change("GET https://a.test/other HTTP/1.1\nHost: a.test\n\n", false));
  for (const char* const head :
       {"GET https://b.test/ HTTP/1.1\nHost: a.test\n\n",
        "GET https://a.test:8443/ HTTP/1.1\nHost: a.test\n\n",
        "GET http://a.test/ HTTP/1.1\nHost: a.test\n\n", "GET / HTTP/1.1\nHost: b.test\n\n",
        "GET / HTTP/1.1\nHost: a.test:8443\n\n"}) {
    const auto changed = change(head, false);
    ASSERT_FALSE(changed) << head;
    EXPECT_EQ(changed.error().code, Code::kIcapDestination) << head;
  }
}

TEST(ChangedRequest, EndsWhereWeSayAndNowhereElse) {
  const auto chunked = change("POST / HTTP/1.1\nHost: a.test\n\n", true);
  ASSERT_TRUE(chunked);
  EXPECT_NE(chunked->request.head.find("Transfer-Encoding: chunked"), std::string::npos);
  EXPECT_EQ(chunked->request.coding, http::Coding::kChunked);
  const auto counted = change("POST / HTTP/1.1\nHost: a.test\nContent-Length: 7\n\n", true);
  ASSERT_TRUE(counted);
  EXPECT_EQ(counted->promised, 7u);
  EXPECT_EQ(counted->request.coding, http::Coding::kPlain);
  for (const auto& [head, body] : std::initializer_list<std::pair<const char*, bool>>{
           {"POST / HTTP/1.1\nHost: a.test\nContent-Length: 7\n\n", false},
           {"POST / HTTP/1.1\nHost: a.test\nTransfer-Encoding: chunked\n\n", false},
           {"POST / HTTP/1.1\nHost: a.test\nContent-Length: 0\n\n", true},
           {"POST / HTTP/1.1\nHost: a.test\nContent-Length: 7\nTransfer-Encoding: chunked\n\n",
            true},
           {"POST / HTTP/1.1\nHost: a.test\nContent-Length: 7\nContent-Length: 8\n\n", true},
           {"POST / HTTP/1.1\nHost: a.test\nTransfer-Encoding: x, chunked\n\n", true},
           {"POST / HTTP/1.1\nHost: a.test\n\nGET / HTTP/1.1\nHost: a.test\n\n", false},
           {"\nGET / HTTP/1.1\nHost: a.test\n\n", false},
           {"GET / HTTP/1.1\nHost: a.test\n", false},
           {"CONNECT a.test:443 HTTP/1.1\nHost: a.test\n\n", false},
           {"HEAD / HTTP/1.1\nHost: a.test\n\n", false},
           {"", false}}) {
    const auto changed = change(head, body);
    ASSERT_FALSE(changed) << head;
    EXPECT_EQ(changed.error().code, Code::kIcapAnswer) << head;
  }
}

TEST(ChangedRequest, MayBeABitLongerThanAClientMayMakeIt) {
  const std::string grown(kLimits.bytes, 'x');
  EXPECT_TRUE(change("GET / HTTP/1.1\nHost: a.test\nX: " + grown + "\n\n", false));
  const std::string huge(kLimits.bytes + kAddedBytesMax, 'x');
  EXPECT_FALSE(change("GET / HTTP/1.1\nHost: a.test\nX: " + huge + "\n\n", false));
}

Result<ChangedAnswer> answer(const std::string& head, bool body,
                             const std::string& request = "GET / HTTP/1.1\nHost: a.test\n\n") {
  return read_answer(lines(head), body, asked(request), true, kLimits, kName);
}

TEST(ChangedAnswer, GetsOurFraming) {
  const auto page =
      answer("HTTP/1.0 403 Forbidden\nConnection: close\nContent-Type: a/b\n\n", true);
  ASSERT_TRUE(page);
  EXPECT_EQ(page->answer.head,
            lines("HTTP/1.1 403 Forbidden\nContent-Type: a/b\nVia: 1.0 penstock-7\n"
                  "Transfer-Encoding: chunked\n\n"));
  EXPECT_TRUE(page->answer.client_persists);
  EXPECT_EQ(answer("HTTP/1.1 200 OK\nContent-Length: 9\n\n", true)->promised, 9u);
  const auto empty = answer("HTTP/1.1 200 OK\n\n", false);
  ASSERT_TRUE(empty);
  EXPECT_NE(empty->answer.head.find("Content-Length: 0"), std::string::npos);
}

TEST(ChangedAnswer, ToHeadHasNoBodyWhateverTheServiceSends) {
  const auto page = answer("HTTP/1.1 403 Forbidden\n\n", true, "HEAD / HTTP/1.1\nHost: a.test\n\n");
  ASSERT_TRUE(page);
  EXPECT_TRUE(page->answer.body.done());
  EXPECT_FALSE(page->promised);
}

TEST(ChangedAnswer, IsRefusedWhereTwoReadersCouldUnderstandItDifferently) {
  for (const auto& [head, body] : std::initializer_list<std::pair<const char*, bool>>{
           {"HTTP/1.1 200 OK\nContent-Length: 9\n\n", false},
           {"HTTP/1.1 200 OK\nContent-Length: 9\nTransfer-Encoding: chunked\n\n", true},
           {"HTTP/1.1 204 No\n\n", true},
           {"HTTP/1.1 304 No\n\n", true},
           {"HTTP/1.1 100 Go\n\n", false},
           {"HTTP/1.1 101 Go\n\n", false},
           {"HTTP/1.1 407 Who\n\n", false},
           {"HTTP/2 200 OK\n\n", true},
           {"HTTP/1.1 200 OK\n\nHTTP/1.1 200 OK\n\n", true},
           {"", false}}) {
    const auto changed = answer(head, body);
    ASSERT_FALSE(changed) << head;
    EXPECT_EQ(changed.error().code, Code::kIcapAnswer);
  }
}

}  // namespace
}  // namespace penstock::icap
