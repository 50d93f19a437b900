#include "http/forward.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace penstock::http {
namespace {

constexpr std::string_view kMe = "penstock-7";

std::string head_of(std::string_view line, std::string_view fields = "Host: a.example\r\n") {
  return std::string(line) + "\r\n" + std::string(fields) + "\r\n";
}

Result<ForwardRequest> parse(std::string_view head) {
  return parse_forward(head, {}, kMe);
}

ForwardRequest request(std::string_view head) {
  auto out = parse(head);
  EXPECT_TRUE(out.has_value()) << head << (out ? "" : out.error().facts().word);
  return out ? std::move(*out) : ForwardRequest{};
}

std::optional<Code> refusal(std::string_view head) {
  const auto out = parse(head);
  EXPECT_FALSE(out.has_value()) << head;
  return out ? std::nullopt : std::optional(out.error().code);
}

// Of a GET to http://a.example/ with these fields behind its Host.
std::string get_with(std::string_view fields) {
  return head_of("GET http://a.example/ HTTP/1.1", "Host: a.example\r\n" + std::string(fields));
}
std::string post_with(std::string_view fields) {
  return head_of("POST http://a.example/ HTTP/1.1", "Host: a.example\r\n" + std::string(fields));
}

TEST(ForwardRequest, IsSentOnInOriginForm) {
  const auto got = request(
      "GET http://A.example:8080/x/y?q=1 HTTP/1.1\r\nHost: a.EXAMPLE:8080\r\nAccept: */*\r\n\r\n");
  EXPECT_EQ(got.target.text(), "a.example:8080");
  EXPECT_EQ(got.method, "GET");
  EXPECT_EQ(got.path, "/x/y");
  EXPECT_EQ(got.head,
            "GET /x/y?q=1 HTTP/1.1\r\nHost: a.example:8080\r\nAccept: */*\r\n"
            "Via: 1.1 penstock-7\r\n\r\n");
  EXPECT_TRUE(got.body.done());
  EXPECT_TRUE(got.persists);
  EXPECT_TRUE(got.repeatable());
}

TEST(ForwardRequest, GoesToPort80WhereItNamesNone) {
  const auto got = request(head_of("GET HTTP://a.example HTTP/1.1"));
  EXPECT_EQ(got.target.text(), "a.example:80");
  EXPECT_TRUE(got.head.starts_with("GET / HTTP/1.1\r\nHost: a.example\r\n")) << got.head;
}

TEST(ForwardRequest, MayNameAnAddressAndAQueryWithoutAPath) {
  const auto got =
      request(head_of("GET http://[2001:DB8::1]?x HTTP/1.1", "Host: [2001:db8::1]\r\n"));
  EXPECT_TRUE(got.head.starts_with("GET /?x HTTP/1.1\r\nHost: [2001:db8::1]\r\n")) << got.head;
  EXPECT_EQ(got.target.text(), "[2001:db8::1]:80");
}

TEST(ForwardRequest, OfOptionsAsksForTheWholeServerWithoutAPath) {
  EXPECT_TRUE(request(head_of("OPTIONS http://a.example HTTP/1.1")).head.starts_with("OPTIONS * "));
  EXPECT_TRUE(
      request(head_of("OPTIONS http://a.example/ HTTP/1.1")).head.starts_with("OPTIONS / "));
}

TEST(ForwardRequest, IsNoOtherForm) {
  EXPECT_EQ(refusal(head_of("GET / HTTP/1.1")), Code::kTargetForm);
  EXPECT_EQ(refusal(head_of("GET a.example:80 HTTP/1.1")), Code::kTargetForm);
  EXPECT_EQ(refusal(head_of("OPTIONS * HTTP/1.1")), Code::kTargetForm);
  EXPECT_EQ(refusal(head_of("GET http:/a.example/ HTTP/1.1")), Code::kTargetForm);
  EXPECT_EQ(refusal(head_of("GET http://a.example/#x HTTP/1.1")), Code::kTargetForm);
  EXPECT_EQ(refusal(head_of("CONNECT http://a.example/ HTTP/1.1")), Code::kMethodUnsupported);
  EXPECT_EQ(refusal(head_of("TRACE http://a.example/ HTTP/1.1")), Code::kMethodUnsupported);
}

TEST(ForwardRequest, IsOfNoOtherScheme) {
  for (const char* uri : {"https://a.example/", "ws://a.example/", "ftp://a.example/", "unix://x",
                          "httpx://a.example/"}) {
    EXPECT_EQ(refusal(head_of(std::string("GET ") + uri + " HTTP/1.1")), Code::kScheme) << uri;
  }
}

TEST(ForwardRequest, NamesItsHostAsStrictlyAsAConnect) {
  const std::vector<std::pair<std::string, Code>> cases = {
      {"http://user@a.example/", Code::kUserinfo},
      {"http://user:secret@a.example/", Code::kUserinfo},
      {"http://a.example:/", Code::kMissingPort},
      {"http://a.example:0/", Code::kBadPort},
      {"http://a.example:65536/", Code::kBadPort},
      {"http://a.example:+80/", Code::kBadPort},
      {"http://a.example:080/", Code::kBadPort},
      {"http:///x", Code::kBadHostName},
      {"http://a..example/", Code::kBadHostName},
      {"http://2130706433/", Code::kNumericHost},
      {"http://0x7f.1/", Code::kNumericHost},
      {"http://127.1/", Code::kNumericHost},
      {"http://0177.0.0.1/", Code::kNumericHost},
      {"http://[::1%25lo]/", Code::kBadIpv6},
      {"http://::1/", Code::kBadIpv6},
      {"http://a.example\\@b/", Code::kUserinfo},
      {"http://a%2eexample/", Code::kBadHostName},
  };
  for (const auto& [uri, code] : cases) {
    EXPECT_EQ(refusal(head_of("GET " + uri + " HTTP/1.1")), code) << uri;
  }
}

TEST(ForwardRequest, HasAHostThatAgrees) {
  const auto with_host = [](std::string_view uri, std::string_view fields) {
    return head_of("GET " + std::string(uri) + " HTTP/1.1", fields);
  };
  EXPECT_EQ(refusal(with_host("http://a.example/", "Host: b.example\r\n")), Code::kHostMismatch);
  EXPECT_EQ(refusal(with_host("http://a.example/", "Host: a.example:81\r\n")), Code::kHostMismatch);
  EXPECT_EQ(refusal(with_host("http://a.example:81/", "Host: a.example\r\n")), Code::kHostMismatch);
  EXPECT_EQ(refusal(with_host("http://a.example/", "")), Code::kMissingHost);
  EXPECT_EQ(refusal(with_host("http://a.example/", "Host: a.example\r\nHost: a.example\r\n")),
            Code::kDuplicateHost);
  EXPECT_EQ(refusal(with_host("http://a.example/", "Host: a b\r\n")), Code::kBadHost);
  request(with_host("http://a.example/", "Host: a.example:80\r\n"));
  request(head_of("GET http://a.example/ HTTP/1.0", ""));
}

TEST(ForwardRequest, EndsWhereEveryReaderSaysThatItEnds) {
  EXPECT_EQ(refusal(post_with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")),
            Code::kBodyFraming);
  EXPECT_EQ(refusal(post_with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n")),
            Code::kBodyFraming);
  EXPECT_EQ(refusal(post_with("Content-Length: 5\r\nContent-Length: 5\r\n")), Code::kBodyFraming);
  for (const char* length :
       {"", "+5", "-5", "5,5", "5, 5", "5 5", "0x5", "05", "5.0", "5;", "99999999999999999999"}) {
    EXPECT_EQ(refusal(post_with("Content-Length: " + std::string(length) + "\r\n")),
              Code::kBodyFraming)
        << length;
  }
  for (const char* coding :
       {"", "gzip", "chunked, chunked", "gzip, chunked", "chunked,", ",chunked", "chunked;x",
        "xchunked", "chunked gzip", "\"chunked\"", "identity", "chun\x80ked"}) {
    EXPECT_EQ(refusal(post_with("Transfer-Encoding: " + std::string(coding) + "\r\n")),
              Code::kBodyFraming)
        << coding;
  }
  EXPECT_EQ(refusal(post_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n")),
            Code::kBodyFraming);
  EXPECT_EQ(refusal(head_of("POST http://a.example/ HTTP/1.0", "Transfer-Encoding: chunked\r\n")),
            Code::kBodyFraming);
}

TEST(ForwardRequest, IsRefusedForBytesThatTwoReadersSeeDifferently) {
  EXPECT_EQ(refusal(post_with("Transfer-Encoding : chunked\r\n")), Code::kSpaceBeforeColon);
  EXPECT_EQ(refusal(post_with("Transfer-Encoding:\r\n chunked\r\n")), Code::kObsFold);
  EXPECT_EQ(refusal(post_with("\tTransfer-Encoding: chunked\r\n")), Code::kObsFold);
  EXPECT_EQ(refusal(post_with("X: a\nTransfer-Encoding: chunked\r\n")), Code::kBadLineEnding);
  EXPECT_EQ(refusal(post_with("X: a\rTransfer-Encoding: chunked\r\n")), Code::kBadLineEnding);
  EXPECT_EQ(refusal(post_with(std::string_view("Content-Length: 5\0\r\n", 20))),
            Code::kForbiddenByte);
  EXPECT_EQ(refusal(post_with("Transfer-Encoding\x0b: chunked\r\n")), Code::kForbiddenByte);
  EXPECT_EQ(refusal(post_with(": chunked\r\n")), Code::kBadFieldName);
  EXPECT_EQ(refusal(head_of("GET http://a.example/  HTTP/1.1")), Code::kBadRequestLine);
  EXPECT_EQ(refusal(head_of("GET http://a.example/ x HTTP/1.1")), Code::kBadRequestLine);
  EXPECT_EQ(refusal(head_of("GET http://a.example/\x80 HTTP/1.1")), Code::kBadRequestLine);
}

TEST(ForwardRequest, FramesItsBodyAnew) {
  const auto counted = request(post_with("content-length: 5\r\n"));
  EXPECT_TRUE(counted.head.ends_with("Content-Length: 5\r\n\r\n")) << counted.head;
  EXPECT_EQ(counted.coding, Coding::kPlain);
  EXPECT_FALSE(counted.body.done());
  EXPECT_FALSE(counted.repeatable());
  const auto chunked = request(post_with("Transfer-Encoding: CHUNKED\r\n"));
  EXPECT_TRUE(chunked.head.ends_with("Transfer-Encoding: chunked\r\n\r\n")) << chunked.head;
  EXPECT_EQ(chunked.coding, Coding::kChunked);
  const auto none = request(post_with("Content-Length: 0\r\n"));
  EXPECT_TRUE(none.head.ends_with("Content-Length: 0\r\n\r\n")) << none.head;
  EXPECT_TRUE(none.body.done());
  EXPECT_FALSE(none.repeatable());
}

TEST(ForwardRequest, TellsOnlyThisHopWhatIsForThisHop) {
  const auto got = request(
      get_with("Connection: keep-alive, X-Mine,, close\r\nKeep-Alive: 5\r\nX-Mine: a\r\n"
               "X-Yours: b\r\nTE: trailers\r\nTrailer: x\r\nProxy-Connection: keep-alive\r\n"
               "Proxy-Authorization: Basic YTpzZWNyZXQ=\r\nUpgrade: h2c\r\nVia: 1.0 other\r\n"));
  EXPECT_EQ(got.head,
            "GET / HTTP/1.1\r\nHost: a.example\r\nX-Yours: b\r\nVia: 1.0 other\r\n"
            "Via: 1.1 penstock-7\r\n\r\n");
  EXPECT_FALSE(got.persists);
  EXPECT_FALSE(got.websocket);
}

TEST(ForwardRequest, KeepsItsFramingWhateverConnectionNames) {
  const auto got =
      request(post_with("Connection: content-length, host, via\r\nContent-Length: 5\r\n"));
  EXPECT_NE(got.head.find("Content-Length: 5\r\n"), got.head.npos);
  EXPECT_NE(got.head.find("Host: a.example\r\n"), got.head.npos);
  EXPECT_NE(got.head.find("Via: 1.1 penstock-7\r\n"), got.head.npos);
}

TEST(ForwardRequest, IsRefusedForAConnectionFieldThatCannotBeRead) {
  EXPECT_EQ(refusal(get_with("Connection: clo se\r\n")), Code::kConnectionField);
  EXPECT_EQ(refusal(get_with("Connection: \"close\"\r\n")), Code::kConnectionField);
  std::string many = "Connection: a";
  for (int i = 0; i < 32; ++i) many += ",a";
  EXPECT_EQ(refusal(get_with(many + "\r\n")), Code::kConnectionField);
}

TEST(ForwardRequest, MayAskToBecomeAWebSocketAndNothingElse) {
  const auto got = request(get_with("Connection: Upgrade\r\nUpgrade: WebSocket\r\n"));
  EXPECT_TRUE(got.websocket);
  EXPECT_FALSE(got.repeatable());
  EXPECT_TRUE(got.head.ends_with("Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")) << got.head;
  EXPECT_FALSE(request(get_with("Upgrade: websocket\r\n")).websocket);
  EXPECT_FALSE(request(get_with("Connection: upgrade\r\nUpgrade: h2c, websocket\r\n")).websocket);
  EXPECT_FALSE(request(post_with("Connection: upgrade\r\nUpgrade: websocket\r\n")).websocket);
  EXPECT_FALSE(
      request(get_with("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n"))
          .websocket);
}

TEST(ForwardRequest, ThatWasHereBeforeIsALoop) {
  EXPECT_EQ(refusal(get_with("Via: 1.1 Penstock-7\r\n")), Code::kViaLoop);
  EXPECT_EQ(refusal(get_with("Via: 1.1 a (x), HTTP/1.1 penstock-7 (y), 1.0 b\r\n")),
            Code::kViaLoop);
  EXPECT_EQ(refusal(get_with("Via: 1.1 a (\", 1.1 penstock-7\r\n")), Code::kViaLoop);
  request(get_with("Via: 1.1 penstock-70, 1.1 x-penstock-7, 1.1 a (penstock-7)\r\n"));
}

TEST(ForwardRequest, OfHttp10IsAnsweredOnceAndCannotBeToldToGoOn) {
  const auto got = request(
      "POST http://a.example/ HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n"
      "Connection: keep-alive\r\n\r\n");
  EXPECT_FALSE(got.persists);
  EXPECT_EQ(got.head.find("Expect"), got.head.npos);
  EXPECT_NE(got.head.find("Via: 1.0 penstock-7\r\n"), got.head.npos);
  EXPECT_NE(request(post_with("Expect: 100-continue\r\n")).head.find("Expect: 100-continue"),
            std::string::npos);
}

TEST(ForwardRequest, HasOneMansCredentialsAndKeepsThemToItself) {
  const auto got =
      request(get_with("Proxy-Authorization: Basic YW5uOnNlc2FtZQ==\r\n"
                       "Authorization: Basic Ym9iOm9wZW4=\r\n"));
  ASSERT_TRUE(got.credentials.has_value());
  EXPECT_EQ(got.credentials->scheme, AuthScheme::kBasic);
  EXPECT_EQ(got.credentials->secret.view(), "ann:sesame");
  EXPECT_EQ(got.head.find("YW5u"), std::string::npos);
  EXPECT_NE(got.head.find("\r\nAuthorization: Basic Ym9iOm9wZW4=\r\n"), std::string::npos);
  EXPECT_FALSE(request(get_with("")).credentials.has_value());
  const std::string once = "Proxy-Authorization: Basic YTpi\r\n";
  EXPECT_EQ(refusal(get_with(once + once)), Code::kDuplicateCredentials);
  EXPECT_EQ(refusal(get_with("Proxy-Authorization: Basic !\r\n")), Code::kBadCredentials);
}

// Inside a tunnel to a.example:8443.
Result<ForwardRequest> parse_inside(std::string_view head, Carrier carrier = Carrier::kConnection) {
  const Authority inside{"a.example", {}, 8443};
  return parse_forward(head, {}, kMe, carrier, &inside);
}

std::string word_inside(std::string_view line, std::string_view fields) {
  const auto out = parse_inside(head_of(line, fields));
  return out ? "" : std::string(out.error().facts().word);
}

TEST(ARequestInside, GoesWhereItsTunnelGoes) {
  constexpr std::string_view kHost = "Host: A.example:8443\r\n";
  const auto got = parse_inside(head_of("GET //x/../y?q=1 HTTP/1.1", kHost));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->target.text(), "a.example:8443");
  EXPECT_EQ(got->path, "//x/../y");
  EXPECT_TRUE(got->head.starts_with("GET //x/../y?q=1 HTTP/1.1\r\nHost: a.example:8443\r\n"));
  EXPECT_EQ(word_inside("GET https://a.example:8443/x HTTP/1.1", kHost), "");
  EXPECT_EQ(word_inside("OPTIONS * HTTP/1.1", kHost), "");
}

TEST(ARequestInside, IsForNobodyElse) {
  EXPECT_EQ(word_inside("GET / HTTP/1.1", "Host: b.example:8443\r\n"), "fronting");
  EXPECT_EQ(word_inside("GET / HTTP/1.1", "Host: a.example\r\n"), "fronting") << "port 443";
  EXPECT_EQ(word_inside("GET / HTTP/1.1", "Host: a.example:8443.\r\n"), "bad_host");
  constexpr std::string_view kHost = "Host: a.example:8443\r\n";
  EXPECT_EQ(word_inside("GET https://b.example/ HTTP/1.1", kHost), "fronting");
  EXPECT_EQ(word_inside("GET https://a.example/ HTTP/1.1", kHost), "fronting");
  EXPECT_EQ(word_inside("GET http://a.example:8443/ HTTP/1.1", kHost), "scheme");
  EXPECT_EQ(word_inside("GET x HTTP/1.1", kHost), "target_form");
  EXPECT_EQ(word_inside("GET /#x HTTP/1.1", kHost), "target_form");
  EXPECT_EQ(word_inside("GET * HTTP/1.1", kHost), "target_form");
  EXPECT_EQ(word_inside("CONNECT a.example:8443 HTTP/1.1", kHost), "method_unsupported");
  EXPECT_EQ(word_inside("GET / HTTP/1.1", ""), "missing_host");
}

TEST(ForwardRequest, CountsDownHowFarOptionsMayGo) {
  const auto options = [](std::string_view left) {
    return head_of("OPTIONS http://a.example/ HTTP/1.1",
                   "Host: a.example\r\nMax-Forwards: " + std::string(left) + "\r\n");
  };
  const auto got = request(options("2"));
  EXPECT_NE(got.head.find("Max-Forwards: 1\r\n"), got.head.npos);
  EXPECT_EQ(got.head.find("Max-Forwards: 2"), got.head.npos);
  EXPECT_EQ(refusal(options("0")), Code::kMaxForwards);
  EXPECT_EQ(refusal(options("x")), Code::kMaxForwards);
  EXPECT_EQ(refusal(options("1\r\nMax-Forwards: 1")), Code::kMaxForwards);
}

TEST(ForwardRequest, KnowsAuthenticationOfConnections) {
  EXPECT_TRUE(request(get_with("Authorization: NTLM abc\r\n")).binds);
  EXPECT_TRUE(request(get_with("Authorization: negotiate abc=\r\n")).binds);
  EXPECT_FALSE(request(get_with("Authorization: Basic abc=\r\n")).binds);
}

}  // namespace
}  // namespace penstock::http
