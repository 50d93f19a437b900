#include "http/answer.h"

#include <gtest/gtest.h>

#include <string>

namespace penstock::http {
namespace {

struct Read {
  std::expected<bool, AnswerFault> complete;
  Answer answer;
};

Read read(std::string_view bytes, AnswerLimits limits = {}) {
  AnswerReader reader(limits);
  Read out{reader.advance(bytes), {}};
  if (out.complete && *out.complete) out.answer = reader.answer(bytes);
  return out;
}

Answer answer(std::string_view bytes) {
  const Read out = read(bytes);
  EXPECT_TRUE(out.complete.value_or(false)) << bytes;
  return out.answer;
}

AnswerFault fault(std::string_view bytes, AnswerLimits limits = {}) {
  const Read out = read(bytes, limits);
  EXPECT_FALSE(out.complete.has_value()) << bytes;
  return out.complete.has_value() ? AnswerFault{99} : out.complete.error();
}

TEST(Answer, EndsWhereTheTunnelBegins) {
  const std::string head = "HTTP/1.1 200 Connection Established\r\nVia: x\r\n\r\n";
  const Answer read = answer(head + "\r\ntunnel");
  EXPECT_TRUE(read.tunnel());
  EXPECT_EQ(read.status, 200);
  EXPECT_EQ(read.length, head.size());
}

TEST(Answer, MayHaveNeitherFieldsNorAReason) {
  EXPECT_TRUE(answer("HTTP/1.0 200 \r\n\r\n").tunnel());
}

TEST(Answer, OfAnySuccessIsATunnelWhateverItSaysOfABody) {
  const std::string head = "HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n";
  EXPECT_TRUE(answer(head + "hello").tunnel());
  EXPECT_EQ(answer(head + "hello").length, head.size());
}

TEST(Answer, ThatRefusesSaysWhy) {
  const Answer read = answer(
      "HTTP/1.1 403 Forbidden\r\nproxy-status: penstock; error=http_request_denied; "
      "details=\"a, b; error=c\"\r\n\r\n");
  EXPECT_FALSE(read.tunnel());
  EXPECT_EQ(read.status, 403);
  EXPECT_EQ(read.error, "http_request_denied");
}

TEST(Answer, ComesAfterInterimOnesWhoseErrorsAreTheirOwn) {
  const Answer read = answer(
      "HTTP/1.1 103 Early Hints\r\nProxy-Status: a; error=early\r\n\r\n"
      "HTTP/1.1 502 Bad Gateway\r\n\r\n");
  EXPECT_EQ(read.status, 502);
  EXPECT_EQ(read.error, "");
}

TEST(Answer, IsNotCompleteUntilItsLastByte) {
  const std::string whole = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
  AnswerReader reader;
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto complete = reader.advance(std::string_view(whole).substr(0, size));
    ASSERT_TRUE(complete.has_value()) << size;
    EXPECT_FALSE(*complete) << size;
  }
  EXPECT_TRUE(reader.advance(whole).value());
}

TEST(Answer, RefusesWhatIsNotHttpAtItsFirstWrongByte) {
  EXPECT_EQ(fault("S"), AnswerFault::kNotHttp);
  EXPECT_EQ(fault("HTTP/2"), AnswerFault::kNotHttp);
  EXPECT_EQ(fault("HTTP/1.2"), AnswerFault::kNotHttp);
  EXPECT_EQ(fault("\r\nHTTP/1.1 200 OK\r\n\r\n"), AnswerFault::kNotHttp);
  EXPECT_EQ(fault("\x15\x03\x01"), AnswerFault::kNotHttp);
}

TEST(Answer, RefusesAStatusLineThatIsAlmostOne) {
  for (const std::string_view line :
       {"HTTP/1.1 200", "HTTP/1.1  200 OK", "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 099 x",
        "HTTP/1.1 600 x", "HTTP/1.1 2O0 x", "HTTP/1.1", "HTTP/1.1\t200 OK", "HTTP/1.1 200\tOK"}) {
    EXPECT_EQ(fault(std::string(line) + "\r\n\r\n"), AnswerFault::kStatusLine) << line;
  }
  EXPECT_EQ(fault(std::string_view("HTTP/1.1 200 a\0b", 16)), AnswerFault::kStatusLine);
  EXPECT_EQ(fault("HTTP/1.1 101 Switching Protocols\r\n\r\n"), AnswerFault::kSwitching);
}

TEST(Answer, RefusesLineEndingsThatTwoReadersSeeDifferently) {
  EXPECT_EQ(fault("HTTP/1.1 200 OK\n\n"), AnswerFault::kLineEnding);
  EXPECT_EQ(fault("HTTP/1.1 200 OK\rA: b\r\n\r\n"), AnswerFault::kLineEnding);
  EXPECT_EQ(fault("HTTP/1.1 200 OK\r\nA: b\n\r\n"), AnswerFault::kLineEnding);
  EXPECT_EQ(fault("HTTP/1.1 200 OK\r\nA: b\r\n\rx"), AnswerFault::kLineEnding);
}

TEST(Answer, RefusesFieldsThatAreNone) {
  for (const std::string_view field : {"no colon", ": no name", "a b: c", " folded: x", "a : b"}) {
    EXPECT_EQ(fault("HTTP/1.1 200 OK\r\nA: b\r\n" + std::string(field) + "\r\n\r\n"),
              AnswerFault::kField)
        << field;
  }
  EXPECT_EQ(fault("HTTP/1.1 200 OK\r\nA: \x01"), AnswerFault::kField);
}

TEST(Answer, IsBoundedInBytesAndFields) {
  const std::string whole = "HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\n";
  EXPECT_TRUE(read(whole, {whole.size(), 2}).complete.value_or(false));
  EXPECT_EQ(fault(whole, {whole.size() - 1, 2}), AnswerFault::kTooLarge);
  EXPECT_EQ(fault(whole, {whole.size(), 1}), AnswerFault::kTooLarge);
}

TEST(Answer, BoundsInterimAnswersToo) {
  std::string endless;
  for (int i = 0; i < 100; ++i) endless += "HTTP/1.1 100 Continue\r\n\r\n";
  EXPECT_EQ(fault(endless, {1024, 10}), AnswerFault::kTooLarge);
}

TEST(Answer, MayBeReadOneByOne) {
  const std::string bytes =
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 x\r\n\r\nHTTP/1.1 200\r\nA: b\r\n\r\nbody";
  std::string_view rest = bytes;
  for (const int status : {100, 101, 200}) {
    AnswerReader reader({}, Stop::kAtEach);
    ASSERT_TRUE(reader.advance(rest).value_or(false)) << rest;
    EXPECT_EQ(reader.answer(rest).status, status);
    rest.remove_prefix(reader.answer(rest).length);
  }
  EXPECT_EQ(rest, "body");
}

TEST(Answer, StaysFaulty) {
  AnswerReader reader;
  const std::string bytes = "HTTP/1.1 200 OK\r\nno colon\r\n\r\n";
  EXPECT_EQ(reader.advance(bytes).error(), AnswerFault::kField);
  EXPECT_EQ(reader.advance(bytes + "A: b\r\n\r\n").error(), AnswerFault::kField);
}

TEST(ProxyStatus, IsTheErrorOfTheProxyNearestToUs) {
  EXPECT_EQ(proxy_status_error("far; error=dns_error, near; error=connection_refused"),
            "connection_refused");
  EXPECT_EQ(proxy_status_error("far;error=dns_error, near"), "dns_error");
}

TEST(ProxyStatus, IsEmptyWithoutAnErrorThatIsAToken) {
  for (const std::string_view value : {"", "penstock", "error=x", "a; error=", "a; error=\"x y\"",
                                       "a; xerror=b", "a; \"error=b", "\"a; error=b\""}) {
    EXPECT_EQ(proxy_status_error(value), "") << value;
  }
  EXPECT_EQ(proxy_status_error("a; error=" + std::string(64, 'x')), std::string(64, 'x'));
  EXPECT_EQ(proxy_status_error("a; error=" + std::string(65, 'x')), "");
}

}  // namespace
}  // namespace penstock::http
