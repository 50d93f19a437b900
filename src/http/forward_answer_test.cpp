#include <gtest/gtest.h>

#include <string>

#include "http/answer.h"
#include "http/forward.h"

namespace penstock::http {
namespace {

constexpr std::string_view kMe = "penstock-7";

ForwardRequest asked(std::string_view method = "GET", std::string_view fields = "",
                     std::string_view version = "HTTP/1.1") {
  const std::string head = std::string(method) + " http://a.example/ " + std::string(version) +
                           "\r\nHost: a.example\r\n" + std::string(fields) + "\r\n";
  return parse_forward(head, {}, kMe).value();
}

// Read as the proxy reads it: by an AnswerReader first.
Result<ForwardAnswer> parse(std::string_view head, const ForwardRequest& request = asked(),
                            bool may_persist = true) {
  AnswerReader reader({}, Stop::kAtEach);
  const auto complete = reader.advance(head);
  EXPECT_TRUE(complete.value_or(false)) << head;
  return parse_forward_answer(head, request, may_persist, kMe);
}

ForwardAnswer answer(std::string_view status, std::string_view fields,
                     const ForwardRequest& request = asked()) {
  const auto out =
      parse("HTTP/1.1 " + std::string(status) + "\r\n" + std::string(fields) + "\r\n", request);
  EXPECT_TRUE(out.has_value()) << fields;
  return out.value_or(ForwardAnswer{});
}

bool refused(std::string_view status, std::string_view fields,
             const ForwardRequest& request = asked()) {
  const auto out =
      parse("HTTP/1.1 " + std::string(status) + "\r\n" + std::string(fields) + "\r\n", request);
  return !out && out.error().code == Code::kBadResponse;
}

TEST(ForwardAnswer, IsPassedOnWithItsReasonAndFields) {
  const auto got = answer("404 Not here", "Content-Length: 3\r\nX: y\r\nServer: s\r\n");
  EXPECT_EQ(got.head,
            "HTTP/1.1 404 Not here\r\nX: y\r\nServer: s\r\nVia: 1.1 penstock-7\r\n"
            "Content-Length: 3\r\n\r\n");
  EXPECT_EQ(got.status, 404);
  EXPECT_TRUE(got.origin_persists);
  EXPECT_TRUE(got.client_persists);
}

TEST(ForwardAnswer, WithoutAReasonIsGivenTheSpaceInFrontOfIt) {
  EXPECT_TRUE(answer("200", "Content-Length: 0\r\n").head.starts_with("HTTP/1.1 200 \r\n"));
}

TEST(ForwardAnswer, OfUnknownLengthReachesTheClientInChunks) {
  for (const char* fields : {"", "Transfer-Encoding: chunked\r\n"}) {
    const auto got = answer("200 OK", fields);
    EXPECT_EQ(got.coding, Coding::kChunked);
    EXPECT_NE(got.head.find("Transfer-Encoding: chunked\r\n"), got.head.npos);
    EXPECT_TRUE(got.client_persists);
  }
  EXPECT_FALSE(answer("200 OK", "").origin_persists);
  EXPECT_TRUE(answer("200 OK", "").body.ends_with_connection());
}

TEST(ForwardAnswer, OfUnknownLengthEndsWithTheConnectionOfAnHttp10Client) {
  const auto got = answer("200 OK", "Transfer-Encoding: chunked\r\n", asked("GET", "", "HTTP/1.0"));
  EXPECT_EQ(got.coding, Coding::kPlain);
  EXPECT_EQ(got.head.find("chunked"), got.head.npos);
  EXPECT_NE(got.head.find("Connection: close\r\n"), got.head.npos);
  EXPECT_FALSE(got.client_persists);
}

TEST(ForwardAnswer, WithoutABodyHasNoneWhateverItSays) {
  const auto to_head = answer("200 OK", "Content-Length: 9\r\n", asked("HEAD"));
  EXPECT_TRUE(to_head.body.done());
  EXPECT_NE(to_head.head.find("Content-Length: 9\r\n"), to_head.head.npos);
  EXPECT_TRUE(answer("304 Not Modified", "Content-Length: 9\r\n").body.done());
  const auto no_content = answer("204 No Content", "Content-Length: 9\r\n");
  EXPECT_TRUE(no_content.body.done());
  EXPECT_EQ(no_content.head.find("Content-Length"), no_content.head.npos);
  const auto chunked = answer("200 OK", "Transfer-Encoding: chunked\r\n", asked("HEAD"));
  EXPECT_TRUE(chunked.body.done());
  EXPECT_EQ(chunked.coding, Coding::kPlain);
}

TEST(ForwardAnswer, WithTwoEndsIsRefused) {
  EXPECT_TRUE(refused("200 OK", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_TRUE(refused("200 OK", "Content-Length: 3\r\nContent-Length: 4\r\n"));
  EXPECT_TRUE(refused("200 OK", "Content-Length: 3, 3\r\n"));
  EXPECT_TRUE(refused("200 OK", "Content-Length: +3\r\n"));
  EXPECT_TRUE(refused("200 OK", "Transfer-Encoding: gzip, chunked\r\n"));
  EXPECT_TRUE(refused("200 OK", "Transfer-Encoding: identity\r\n"));
  EXPECT_TRUE(refused("200 OK", "Content-Length: x\r\n", asked("HEAD")));
  EXPECT_FALSE(parse("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").has_value());
}

TEST(ForwardAnswer, TellsOnlyThisHopWhatIsForThisHop) {
  const auto got = answer("200 OK",
                          "Content-Length: 0\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\n"
                          "Keep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nTrailer: y\r\n"
                          "Proxy-Status: far; error=dns_error\r\nUpgrade: h2\r\n");
  EXPECT_EQ(got.head,
            "HTTP/1.1 200 OK\r\nProxy-Status: far; error=dns_error\r\n"
            "Via: 1.1 penstock-7\r\nContent-Length: 0\r\n\r\n");
  EXPECT_FALSE(got.origin_persists);
  EXPECT_TRUE(got.client_persists);
}

TEST(ForwardAnswer, ThatIsAProxysOrNobodysIsRefused) {
  EXPECT_TRUE(refused("407 Proxy Authentication Required", "Content-Length: 0\r\n"));
  EXPECT_TRUE(refused("101 Switching Protocols", "Connection: upgrade\r\nUpgrade: websocket\r\n"));
}

TEST(ForwardAnswer, SwitchesToWhatWasAskedFor) {
  const auto socket = asked("GET", "Connection: upgrade\r\nUpgrade: websocket\r\n");
  const auto got =
      answer("101 Switching Protocols",
             "Upgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n", socket);
  EXPECT_EQ(got.head,
            "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\nVia: 1.1 penstock-7\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  EXPECT_TRUE(refused("101 x", "Upgrade: h2c\r\nConnection: upgrade\r\n", socket));
  EXPECT_TRUE(refused("101 x", "Upgrade: websocket\r\n", socket));
}

TEST(ForwardAnswer, ThatIsInterimHasNoFraming) {
  const auto got = answer("103 Early Hints", "Link: </a>\r\nContent-Length: 5\r\n");
  EXPECT_EQ(got.head, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nVia: 1.1 penstock-7\r\n\r\n");
  EXPECT_TRUE(got.body.done());
}

TEST(ForwardAnswer, IsTheLastWhereEitherSideSaysSo) {
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  EXPECT_FALSE(parse(head, asked("GET", "Connection: close\r\n"))->client_persists);
  const auto got = parse(head, asked(), false);
  EXPECT_FALSE(got->client_persists);
  EXPECT_NE(got->head.find("Connection: close\r\n"), std::string::npos);
  EXPECT_FALSE(parse("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")->origin_persists);
}

TEST(ForwardAnswer, KeepsConnectionsApartThatAreAuthenticatedAsSuch) {
  EXPECT_FALSE(answer("401 x", "Content-Length: 0\r\nWWW-Authenticate: NTLM\r\n").origin_persists);
  EXPECT_FALSE(answer("401 x",
                      "Content-Length: 0\r\nWWW-Authenticate: Basic realm=\"a, b\", "
                      "Negotiate\r\n")
                   .origin_persists);
  EXPECT_TRUE(answer("401 x", "Content-Length: 0\r\nWWW-Authenticate: Basic\r\n").origin_persists);
  EXPECT_FALSE(answer("200 x", "Content-Length: 0\r\n", asked("GET", "Authorization: NTLM a\r\n"))
                   .origin_persists);
}

}  // namespace
}  // namespace penstock::http
