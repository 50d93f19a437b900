#include "http/body.h"

#include <gtest/gtest.h>

#include <string>

namespace penstock::http {
namespace {

std::string head_with(std::string_view fields) {
  return "HTTP/1.1 200 OK\r\n" + std::string(fields) + "\r\n";
}

BodyReader reader(std::string_view fields, int status = 200) {
  return BodyReader::behind(head_with(fields), status).value();
}

BodyFault fault_of_head(std::string_view fields) {
  const auto body = BodyReader::behind(head_with(fields), 200);
  EXPECT_FALSE(body.has_value()) << fields;
  return body ? BodyFault{99} : body.error();
}

TEST(Body, ThatIsCountedEndsWithItsLastByte) {
  BodyReader body = reader("Content-Length: 5\r\n");
  EXPECT_EQ(body.take("hel").value(), 3u);
  EXPECT_FALSE(body.done());
  EXPECT_EQ(body.take("lo, and more").value(), 2u);
  EXPECT_TRUE(body.done());
  EXPECT_EQ(body.bytes(), 5u);
}

TEST(Body, OfNoBytesIsDoneAtOnce) {
  EXPECT_TRUE(reader("Content-Length: 0\r\n").done());
  EXPECT_TRUE(reader("", 204).done());
  EXPECT_TRUE(reader("Content-Length: 9\r\n", 304).done());
}

TEST(Body, WithoutALengthEndsWithTheConnection) {
  BodyReader body = reader("");
  EXPECT_EQ(body.take("anything").value(), 8u);
  EXPECT_FALSE(body.done());
  EXPECT_TRUE(body.end().has_value());
  EXPECT_TRUE(body.done());
}

TEST(Body, InAnotherCodingThanChunkedEndsWithTheConnection) {
  EXPECT_FALSE(reader("Transfer-Encoding: chunked, gzip\r\n").done());
  BodyReader body = reader("Transfer-Encoding: gzip\r\n");
  EXPECT_EQ(body.take("0\r\n\r\n").value(), 5u);
  EXPECT_EQ(body.bytes(), 5u);
}

TEST(Body, InChunksIsTheirContent) {
  const std::string sent =
      "5;a=\"b\"\r\nhello\r\n00A \r\n, chunked!\r\n0\r\nTrailer: x\r\n\r\nmore";
  for (size_t step = 1; step <= sent.size(); ++step) {
    BodyReader body = reader("Transfer-Encoding: gzip, Chunked\r\n");
    size_t taken = 0;
    for (size_t at = 0; at < sent.size() && !body.done(); at += step) {
      taken += body.take(std::string_view(sent).substr(at, step)).value();
    }
    EXPECT_TRUE(body.done()) << step;
    EXPECT_EQ(taken, sent.size() - 4) << step;
    EXPECT_EQ(body.bytes(), 15u) << step;
  }
}

TEST(Body, InBadChunksIsAFaultAndStaysOne) {
  for (const char* sent :
       {"\r\n", "g\r\n", "5\nhello", "5\r\nhello5\r\n", "0\r\nA: b\n\r\n", "1234567890abcdef\r\n",
        "5;\x01\r\n", "-1\r\n", "+5\r\n", "0x5\r\n", " 5\r\n", "5 5\r\n", "5\rhello", "5;a\nhello",
        "0\r\n a: b\r\n", "0\r\nno colon\r\n", "0\r\na : b\r\n", "5\r\nhello\r0"}) {
    BodyReader body = reader("Transfer-Encoding: chunked\r\n");
    const auto taken = body.take(sent);
    ASSERT_FALSE(taken.has_value()) << sent;
    EXPECT_EQ(taken.error(), BodyFault::kChunk);
    EXPECT_FALSE(body.take("0\r\n\r\n").has_value());
    EXPECT_FALSE(body.end().has_value());
  }
}

TEST(Body, InChunksGivesItsContentInPieces) {
  const std::string sent = "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: x\r\n\r\nGET";
  for (size_t step = 1; step <= sent.size(); ++step) {
    BodyReader body = BodyReader::chunked();
    std::string content;
    size_t at = 0;
    while (at < sent.size() && !body.done()) {
      const auto piece = body.next(std::string_view(sent).substr(at, step));
      ASSERT_TRUE(piece.has_value());
      ASSERT_GT(piece->taken, 0u);
      content += piece->content;
      at += piece->taken;
    }
    EXPECT_EQ(content, "abcde") << step;
    EXPECT_EQ(sent.substr(at), "GET") << step;
  }
}

TEST(Body, OfARequestHasNoWhiteSpaceBehindTheSizeOfAChunk) {
  EXPECT_FALSE(BodyReader::chunked().take("5 \r\nhello\r\n").has_value());
  EXPECT_FALSE(BodyReader::chunked().take("5 ;a\r\nhello\r\n").has_value());
  EXPECT_TRUE(BodyReader::chunked(true).take("5 \r\nhello\r\n").has_value());
}

TEST(Body, OfARequestHasExtensionsOfTokensOnly) {
  for (const char* good : {"5;a\r\n", "5;a=b;c;d=1\r\n"}) {
    EXPECT_TRUE(BodyReader::chunked().take(good).has_value()) << good;
  }
  for (const char* bad : {"5;\r\n", "5;;a\r\n", "5;a=\r\n", "5;=b\r\n", "5;a=b=c\r\n", "5; a\r\n",
                          "5;a=\"b\"\r\n", "5;a\xff\r\n"}) {
    EXPECT_FALSE(BodyReader::chunked().take(bad).has_value()) << bad;
    EXPECT_TRUE(BodyReader::chunked(true).take(bad).has_value()) << bad;
  }
}

TEST(Body, BoundsFramingThatIsForNobody) {
  BodyReader extensions = BodyReader::chunked();
  EXPECT_FALSE(
      extensions.take("1;" + std::string(BodyReader::kIdleFramingMax + 1, 'x')).has_value());
  BodyReader trailers = BodyReader::chunked();
  EXPECT_FALSE(
      trailers.take("0\r\na: " + std::string(BodyReader::kIdleFramingMax + 1, 'x')).has_value());
  // A long body may have more of it.
  BodyReader body = BodyReader::chunked();
  EXPECT_TRUE(body.take("10000\r\n" + std::string(0x10000, 'x') + "\r\n0;" +
                        std::string(BodyReader::kIdleFramingMax + 1, 'x') + "\r\n\r\n")
                  .has_value());
  EXPECT_TRUE(body.done());
}

TEST(Body, ThatEndsTooEarlyIsTruncated) {
  for (const char* fields : {"Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"}) {
    BodyReader body = reader(fields);
    EXPECT_EQ(body.end().error(), BodyFault::kTruncated);
  }
}

TEST(Body, WithTwoEndsIsRefused) {
  EXPECT_EQ(fault_of_head("Content-Length: 5\r\nContent-Length: 6\r\n"), BodyFault::kLength);
  EXPECT_EQ(fault_of_head("Content-Length: 5, 6\r\n"), BodyFault::kLength);
  EXPECT_EQ(fault_of_head("Content-Length: +5\r\n"), BodyFault::kLength);
  EXPECT_EQ(fault_of_head("Content-Length: \r\n"), BodyFault::kLength);
  EXPECT_EQ(fault_of_head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
            BodyFault::kTwoEnds);
  EXPECT_EQ(reader("Content-Length: 5, 5\r\nContent-Length: 5\r\n").take("12345").value(), 5u);
}

}  // namespace
}  // namespace penstock::http
