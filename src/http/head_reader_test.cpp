// The syntax of a request head, byte by byte: HeadReader alone.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/random.h"
#include "http/head.h"

namespace penstock::http {
namespace {

// What a reader said in the end, in words: "complete at 42", "waiting" or the error's word.
std::string words(const HeadReader& reader, const Result<bool>& result) {
  if (!result) return std::string(facts(result.error().code).word);
  return *result ? "complete at " + std::to_string(reader.length()) : "waiting";
}

std::string in_one_piece(std::string_view bytes, HeadLimits limits = {}) {
  HeadReader reader(limits);
  return words(reader, reader.advance(bytes));
}

// Grows what was received to each of `cuts` in turn, then to everything.
template <class Cuts>
std::string in_pieces(std::string_view bytes, const Cuts& cuts, HeadLimits limits = {}) {
  HeadReader reader(limits);
  for (const size_t cut : cuts) {
    const auto result = reader.advance(bytes.substr(0, cut));
    if (!result || *result) return words(reader, result);
  }
  return words(reader, reader.advance(bytes));
}

std::string byte_by_byte(std::string_view bytes, HeadLimits limits = {}) {
  std::vector<size_t> cuts;
  for (size_t cut = 0; cut < bytes.size(); ++cut) cuts.push_back(cut);
  return in_pieces(bytes, cuts, limits);
}

const std::string kLine = "CONNECT h.example:443 HTTP/1.1\r\n";
const std::string kHead = kLine + "Host: h.example:443\r\nUser-Agent: curl/8.5.0\r\n\r\n";

TEST(HeadReader, EndsTheHeadWhereTheTunnelBegins) {
  const std::string length = "complete at " + std::to_string(kHead.size());
  EXPECT_EQ(in_one_piece(kHead), length);
  EXPECT_EQ(in_one_piece(kHead + std::string("\x16\x03\x01\0\0\n\r\n\r\n", 10)), length);
  EXPECT_EQ(byte_by_byte(kHead + "early data"), length);
  EXPECT_EQ(in_one_piece(kLine + "\r\n"), "complete at " + std::to_string(kLine.size() + 2));
}

TEST(HeadReader, StaysCompleteWhenMoreArrives) {
  HeadReader reader{HeadLimits{}};
  ASSERT_TRUE(*reader.advance(kHead));
  ASSERT_TRUE(*reader.advance(kHead + std::string(100'000, '\0')));
  EXPECT_EQ(reader.length(), kHead.size());
}

TEST(HeadReader, WaitsAtEveryPrefixOfAGoodHead) {
  for (size_t cut = 0; cut < kHead.size(); ++cut) {
    EXPECT_EQ(in_one_piece(std::string_view(kHead).substr(0, cut)), "waiting") << cut;
  }
}

struct Row {
  const char* what;
  std::string bytes;
  Code code;
};

// Each row ends with the byte that decides: before it nothing is refused, with it at once.
void expect_refusal_at_the_last_byte(const Row& row) {
  const std::string word(facts(row.code).word);
  EXPECT_EQ(in_one_piece(row.bytes), word) << row.what;
  EXPECT_EQ(byte_by_byte(row.bytes), word) << row.what;
  EXPECT_EQ(in_one_piece(row.bytes + "\r\n\r\n"), word) << row.what;
  EXPECT_EQ(in_one_piece(row.bytes.substr(0, row.bytes.size() - 1)), "waiting") << row.what;
}

TEST(HeadReader, RefusesAmbiguousBytesAsSoonAsTheyArrive) {
  using std::string_literals::operator""s;
  const Row rows[] = {
      {"a lone LF behind the request line", "CONNECT h:443 HTTP/1.1\n", Code::kBadLineEnding},
      {"a lone CR behind the request line", "CONNECT h:443 HTTP/1.1\rH", Code::kBadLineEnding},
      {"two CR behind the request line", "CONNECT h:443 HTTP/1.1\r\r", Code::kBadLineEnding},
      {"a lone LF behind a field", kLine + "A: b\n", Code::kBadLineEnding},
      {"a lone CR in a value", kLine + "A: b\rc", Code::kBadLineEnding},
      {"a lone CR before a NUL", kLine + "A: b\r\0"s, Code::kBadLineEnding},
      {"a lone LF in a field name", kLine + "A\n", Code::kBadLineEnding},
      {"a lone LF as last line", kLine + "A: b\r\n\n", Code::kBadLineEnding},
      {"a lone CR as last line", kLine + "A: b\r\n\rX", Code::kBadLineEnding},
      {"a lone LF before the request", "\n", Code::kBadLineEnding},
      {"a lone CR before the request", "\rC", Code::kBadLineEnding},
      {"two empty lines before the request", "\r\n\r", Code::kBadRequestLine},
      {"a space before the request", " ", Code::kBadRequestLine},
      {"a tab before the request", "\t", Code::kBadRequestLine},
      {"a NUL as first byte", "\0"s, Code::kForbiddenByte},
      {"a NUL in the method", "CON\0"s, Code::kForbiddenByte},
      {"a NUL in the target", "CONNECT h\0"s, Code::kForbiddenByte},
      {"a NUL in a field name", kLine + "Ho\0"s, Code::kForbiddenByte},
      {"a NUL in Host", kLine + "Host: google.com\0"s, Code::kForbiddenByte},
      {"an escape byte in a value", kLine + "A: \x1b", Code::kForbiddenByte},
      {"a vertical tab in a value", kLine + "A: \v", Code::kForbiddenByte},
      {"a DEL in a value", kLine + "A: \x7f", Code::kForbiddenByte},
      {"a DEL in the target", "CONNECT h\x7f", Code::kForbiddenByte},
      {"a tab in the request line", "CONNECT\t", Code::kBadRequestLine},
      {"obs-text in the method", "CONN\xc3", Code::kBadRequestLine},
      {"a U-label in the target", "CONNECT b\xc3", Code::kBadHostName},
      {"obs-text behind the target", "CONNECT h:443 \xc3", Code::kBadRequestLine},
      {"obs-text as first byte", "\xff", Code::kBadRequestLine},
      {"a folded field", kLine + "A: b\r\n ", Code::kObsFold},
      {"a field folded with a tab", kLine + "A: b\r\n\t", Code::kObsFold},
      {"white space before the first field", kLine + " ", Code::kObsFold},
      {"a space before the colon", kLine + "Content-Length ", Code::kSpaceBeforeColon},
      {"a tab before the colon", kLine + "Content-Length\t", Code::kSpaceBeforeColon},
      {"an empty field name", kLine + ":", Code::kBadFieldName},
      {"a field name in quotes", kLine + "\"", Code::kBadFieldName},
      {"a field name with brackets", kLine + "A(", Code::kBadFieldName},
      {"a field name with a slash", kLine + "A/", Code::kBadFieldName},
      {"obs-text in a field name", kLine + "A\xe4", Code::kBadFieldName},
      {"obs-text in front of a field name", kLine + "\xe4", Code::kBadFieldName},
      {"a line without a colon", kLine + "Host\r", Code::kMissingColon},
  };
  for (const Row& row : rows) expect_refusal_at_the_last_byte(row);
}

TEST(HeadReader, RefusesARequestLineAsSoonAsItEnds) {
  const Row rows[] = {
      {"one word", "CONNECT\r\n", Code::kBadRequestLine},
      {"HTTP/0.9 with CONNECT", "CONNECT h:443\r\n", Code::kBadVersion},
      {"HTTP/0.9 with GET", "GET /\r\n", Code::kBadVersion},
      {"HTTP/2.0", "CONNECT h:443 HTTP/2.0\r\n", Code::kBadVersion},
      {"HTTP/1.2", "CONNECT h:443 HTTP/1.2\r\n", Code::kBadVersion},
      {"HTTP/3.0 with GET", "GET / HTTP/3.0\r\n", Code::kBadVersion},
      {"no minor version", "CONNECT h:443 HTTP/1.\r\n", Code::kBadRequestLine},
      {"two digits of minor version", "CONNECT h:443 HTTP/1.10\r\n", Code::kBadRequestLine},
      {"a leading zero", "CONNECT h:443 HTTP/01.1\r\n", Code::kBadRequestLine},
      {"a version in small letters", "CONNECT h:443 http/1.1\r\n", Code::kBadRequestLine},
      {"another protocol", "CONNECT h:443 ICAP/1.0\r\n", Code::kBadRequestLine},
      {"junk behind the version", "CONNECT h:443 HTTP/1.1x\r\n", Code::kBadRequestLine},
      {"a word behind the version", "CONNECT h:443 HTTP/1.1 x\r\n", Code::kBadRequestLine},
      {"a space behind the version", "CONNECT h:443 HTTP/1.1 \r\n", Code::kBadRequestLine},
      {"a space in the target", "CONNECT h :443 HTTP/1.1\r\n", Code::kBadRequestLine},
      {"two spaces before the target", "CONNECT  h:443 HTTP/1.1\r\n", Code::kBadRequestLine},
      {"two spaces before the version", "CONNECT h:443  HTTP/1.1\r\n", Code::kBadRequestLine},
      {"no target", "CONNECT HTTP/1.1\r\n", Code::kBadVersion},
      {"an empty target", "CONNECT  HTTP/1.1\r\n", Code::kBadRequestLine},
      {"a space behind the target only", "CONNECT h:443 \r\n", Code::kBadRequestLine},
      {"a method that is no token", "CONN@ECT h:443 HTTP/1.1\r\n", Code::kBadRequestLine},
      {"a method with a colon", "CONNECT: h:443 HTTP/1.1\r\n", Code::kBadRequestLine},
      {"an HTTP/2 preface", "PRI * HTTP/2.0\r\n", Code::kHttp2Preface},
      {"an SSH banner", "SSH-2.0-OpenSSH_9.2p1\r\n", Code::kBadRequestLine},
      {"an SSH banner with a comment", "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", Code::kBadRequestLine},
      {"an SMTP greeting", "EHLO mail.example\r\n", Code::kBadVersion},
  };
  for (const Row& row : rows) expect_refusal_at_the_last_byte(row);
}

TEST(HeadReader, NamesATlsClientHelloByItsFirstTwoBytes) {
  EXPECT_EQ(in_one_piece("\x16"), "waiting");
  EXPECT_EQ(in_one_piece("\x16\x03"), "tls_on_plain_port");
  EXPECT_EQ(in_one_piece("\x16\x03\x01\x02"), "tls_on_plain_port");
  EXPECT_EQ(byte_by_byte("\x16\x03\x01\x02"), "tls_on_plain_port");
  EXPECT_EQ(in_one_piece("\x16\x04"), "forbidden_byte");
  EXPECT_EQ(in_one_piece("\r\n\x16\x03"), "forbidden_byte");
}

TEST(HeadReader, IgnoresOneEmptyLineBeforeTheRequest) {
  EXPECT_EQ(in_one_piece("\r\n" + kHead), "complete at " + std::to_string(kHead.size() + 2));
  EXPECT_EQ(byte_by_byte("\r\n" + kHead), "complete at " + std::to_string(kHead.size() + 2));
  EXPECT_EQ(in_one_piece("\r\n\r\n" + kHead), "bad_request_line");
}

TEST(HeadReader, AllowsTabAndObsTextInValuesOnly) {
  const std::string head = kLine + "A:\t\xe4\xff\x80 x\t\r\nB:\r\n\r\n";
  EXPECT_EQ(in_one_piece(head), "complete at " + std::to_string(head.size()));
}

TEST(HeadReader, JudgesEveryByteInEveryPlaceAsTheRfcDoes) {
  const std::string_view token_marks = "!#$%&'*+-.^_`|~";
  for (int value = 0; value < 256; ++value) {
    const char c = static_cast<char>(value);
    const bool alphanumeric =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool token = alphanumeric || (c != '\0' && token_marks.find(c) != token_marks.npos);
    const bool visible = value > 0x20 && value < 0x7f;
    const bool in_value = visible || c == ' ' || c == '\t' || value >= 0x80;
    SCOPED_TRACE(value);
    const auto accepts = [](const std::string& head) {
      return in_one_piece(head).starts_with("complete");
    };
    EXPECT_EQ(accepts(std::string("X") + c + " / HTTP/1.1\r\n\r\n"), token);
    EXPECT_EQ(accepts(std::string("X /") + c + " HTTP/1.1\r\n\r\n"), visible);
    EXPECT_EQ(accepts(kLine + "A" + c + "A: b\r\n\r\n"), token || c == ':');
    EXPECT_EQ(accepts(kLine + c + "A: b\r\n\r\n"), token);
    // Also at each place of the eight bytes that the reader takes at once.
    for (size_t before = 0; before < 9; ++before) {
      const std::string padding(before, 'b');
      EXPECT_EQ(accepts(kLine + "A:" + padding + c + "bbbbbbbbb\r\n\r\n"), in_value) << before;
    }
  }
}

TEST(HeadReader, CapsTheBytesOfTheWholeHead) {
  const size_t size = kHead.size();
  EXPECT_EQ(in_one_piece(kHead, {size, 100}), "complete at " + std::to_string(size));
  EXPECT_EQ(in_one_piece(kHead + "tunnel bytes", {size, 100}),
            "complete at " + std::to_string(size));
  EXPECT_EQ(in_one_piece(kHead, {size - 1, 100}), "head_too_large");
  EXPECT_EQ(byte_by_byte(kHead, {size - 1, 100}), "head_too_large");
  EXPECT_EQ(in_one_piece(kHead.substr(0, size - 2), {size - 1, 100}), "waiting");
  EXPECT_EQ(in_one_piece("\r\n" + kHead, {size, 100}), "head_too_large");
  EXPECT_EQ(in_one_piece(std::string(16 * 1024 - 1, 'A')), "waiting");
  EXPECT_EQ(in_one_piece(std::string(16 * 1024, 'A')), "head_too_large");
  EXPECT_EQ(in_one_piece(kLine + "A: " + std::string(256 * 1024, 'b')), "head_too_large");
}

TEST(HeadReader, CapsTheNumberOfFields) {
  std::string head = kLine;
  for (int field = 0; field < 100; ++field) head += "A: b\r\n";
  EXPECT_EQ(in_one_piece(head + "\r\n"), "complete at " + std::to_string(head.size() + 2));
  EXPECT_EQ(in_one_piece(head + "A"), "too_many_fields");
  EXPECT_EQ(byte_by_byte(head + "A"), "too_many_fields");
  EXPECT_EQ(in_one_piece(kLine + "A", {16 * 1024, 0}), "too_many_fields");
}

TEST(HeadReader, StaysRefusedWhenAskedAgain) {
  for (const std::string& bytes : {kLine + "A: b\n", std::string(16 * 1024, 'A'), kLine + "\t"}) {
    HeadReader reader{HeadLimits{}};
    const auto first = reader.advance(bytes);
    ASSERT_FALSE(first);
    EXPECT_EQ(reader.advance(bytes), first);
    EXPECT_EQ(reader.advance(bytes + "\r\n\r\n"), first);
  }
}

std::string long_head() {
  std::string head = kLine;
  for (int field = 0; head.size() < 16 * 1024 - 200; ++field) {
    head += "X-Field-" + std::to_string(field) + ": " + std::string(200 + field % 7, 'v') + "\r\n";
    if (head.size() > 16 * 1024 - 400) break;
  }
  return head + "X: " + std::string(16 * 1024 - head.size() - 7, 'x') + "\r\n\r\n";
}

// Linear cost, without a clock: what was read once is overwritten with NUL bytes before the next
// call. A reader that looked back would find a forbidden byte and refuse.
TEST(HeadReader, NeverLooksAtAByteOfAFieldTwice) {
  const std::string head = long_head();
  ASSERT_EQ(head.size(), 16u * 1024);
  HeadReader reader{HeadLimits{}};
  std::string received;
  received.reserve(head.size());
  for (size_t byte = 0; byte + 1 < head.size(); ++byte) {
    received += head[byte];
    const auto result = reader.advance(received);
    ASSERT_TRUE(result && !*result) << byte;
    if (byte >= kLine.size()) received.back() = '\0';
  }
  received += head.back();
  EXPECT_EQ(words(reader, reader.advance(received)), "complete at 16384");
}

TEST(HeadReader, SaysTheSameForEveryCutOf16KiB) {
  const std::string good = long_head();
  std::string bare_lf = good;
  bare_lf[12'000] = '\n';
  const std::string endless(16 * 1024 + 500, 'A');
  for (const std::string& bytes : {good, bare_lf, endless}) {
    const std::string whole = in_one_piece(bytes);
    EXPECT_EQ(byte_by_byte(bytes), whole);
    for (size_t cut = 0; cut <= bytes.size(); cut += 7) {
      ASSERT_EQ(in_pieces(bytes, std::initializer_list<size_t>{cut}), whole) << cut;
    }
  }
}

TEST(HeadReader, SaysTheSameForRandomHeadsInRandomPieces) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  const std::string pieces[] = {"\r\n",
                                "\r\n",
                                "\r",
                                "\n",
                                " ",
                                "\t",
                                ":",
                                "A",
                                "Host",
                                "h:443",
                                "CONNECT",
                                "HTTP/1.1",
                                std::string(1, '\0'),
                                "\x80",
                                kLine,
                                kHead,
                                "A: b\r\n",
                                "\x16\x03",
                                "PRI * HTTP/2.0\r\n"};
  int complete = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = random.below(2) ? kLine : "";
    for (uint64_t count = random.below(8); count > 0; --count) {
      bytes += pieces[random.below(std::size(pieces))];
    }
    const HeadLimits limits{40 + random.below(120), random.below(5)};
    std::vector<size_t> cuts;
    for (size_t cut = 0; cut < bytes.size(); cut += 1 + random.below(20)) cuts.push_back(cut);
    const std::string whole = in_one_piece(bytes, limits);
    ASSERT_EQ(in_pieces(bytes, cuts, limits), whole) << testing::PrintToString(bytes);
    ASSERT_EQ(byte_by_byte(bytes, limits), whole) << testing::PrintToString(bytes);
    complete += whole.starts_with("complete") ? 1 : 0;
  }
  EXPECT_GT(complete, 100);
}

}  // namespace
}  // namespace penstock::http
