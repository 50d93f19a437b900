// Both versions of the PROXY protocol, as they are read and as they are written.
#include <gtest/gtest.h>

#include <string>

#include "announce/crc32c.h"
#include "announce/header.h"
#include "base/bytes.h"

namespace penstock::announce {
namespace {

using namespace std::string_literals;

const std::string kStart = "\r\n\r\n\0\r\nQUIT\n"s;

std::string number(size_t value, size_t width) {
  std::string out;
  while (width-- > 0) out += static_cast<char>(value >> (8 * width));
  return out;
}

std::string value(uint8_t type, const std::string& bytes) {
  return number(type, 1) + number(bytes.size(), 2) + bytes;
}

std::string version2(uint8_t command, uint8_t family, const std::string& rest) {
  return kStart + number(command, 1) + number(family, 1) + number(rest.size(), 2) + rest;
}

const std::string kAddresses = "\xc0\0\2\1\xc6\x33\x64\2\xdc\4\1\xbb"s;

std::string tcp4(const std::string& values) {
  return version2(0x21, 0x11, kAddresses + values);
}

Reading<Header> read(std::string_view text) {
  return read_header(bytes_of(text));
}

std::string outcome(std::string_view text) {
  const auto reading = read(text);
  if (!reading) return std::string(reading.error().facts().word);
  if (!*reading) return "incomplete";
  const Header& header = (*reading)->message;
  if (header.local) return "local";
  return header.source.text() + " to " + header.destination.text();
}

void expect_needs_every_byte(const std::string& header) {
  for (size_t size = 0; size < header.size(); ++size) {
    EXPECT_EQ(outcome(header.substr(0, size)), "incomplete") << size;
  }
  const std::string more = header + "CONNECT a:443 HTTP/1.1\r\n";
  const auto reading = read(more);
  ASSERT_TRUE(reading && *reading);
  EXPECT_EQ((*reading)->length, header.size());
}

TEST(ProxyHeaderV1, SaysWhoConnectedToWhat) {
  EXPECT_EQ(outcome("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"),
            "192.0.2.1:56324 to 198.51.100.2:443");
  EXPECT_EQ(outcome("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n"),
            "[2001:db8::1]:1 to [2001:db8::2]:65535");
  EXPECT_EQ(outcome("PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 2\r\n"),
            "192.0.2.1:1 to [2001:db8::2]:2");
}

TEST(ProxyHeaderV1, IsReadToItsLineEndAndNoFurther) {
  expect_needs_every_byte("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n");
  expect_needs_every_byte("PROXY UNKNOWN\r\n");
}

TEST(ProxyHeaderV1, IgnoresWhatFollowsUnknown) {
  EXPECT_EQ(outcome("PROXY UNKNOWN\r\n"), "local");
  EXPECT_EQ(outcome("PROXY UNKNOWN ffff::1 anything at all\r\n"), "local");
}

TEST(ProxyHeaderV1, HasOneSpelling) {
  for (const char* line : {
           "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\n",
           "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\r",
           "PROXY TCP4 192.0.2.1  198.51.100.2 56324 443\r\n",
           "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 \r\n",
           "PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n",
           "PROXY TCP4 192.0.2.1 198.51.100.2 056324 443\r\n",
           "PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n",
           "PROXY TCP4 192.0.2.01 198.51.100.2 1 443\r\n",
           "PROXY TCP4 ::1 198.51.100.2 1 443\r\n",
           "PROXY TCP6 192.0.2.1 198.51.100.2 1 443\r\n",
           "PROXY UDP4 192.0.2.1 198.51.100.2 1 443\r\n",
           "PROXY tcp4 192.0.2.1 198.51.100.2 1 443\r\n",
           "PROXY \r\n",
           "PROXY UNKNOWNX\r\n",
       }) {
    EXPECT_EQ(outcome(line), "bad_proxy_header") << line;
  }
}

TEST(ProxyHeaderV1, EndsWithin107Bytes) {
  const std::string unknown = "PROXY UNKNOWN ";
  EXPECT_EQ(outcome(unknown + std::string(105 - unknown.size(), 'x') + "\r\n"), "local");
  EXPECT_EQ(outcome(unknown + std::string(106 - unknown.size(), 'x')), "incomplete");
  EXPECT_EQ(outcome(unknown + std::string(107 - unknown.size(), 'x')), "bad_proxy_header");
}

TEST(ProxyHeader, IsToldFromOtherProtocolsByTheFirstByteThatDiffers) {
  EXPECT_EQ(outcome("P"), "incomplete");
  EXPECT_EQ(outcome("PUT"), "no_proxy_header");
  EXPECT_EQ(outcome("CONNECT"), "no_proxy_header");
  EXPECT_EQ(outcome("\x16"), "no_proxy_header");
  EXPECT_EQ(outcome("\r\n\r\nX"), "no_proxy_header");
}

TEST(ProxyHeaderV2, SaysWhoConnectedToWhat) {
  EXPECT_EQ(outcome(tcp4("")), "192.0.2.1:56324 to 198.51.100.2:443");
  const std::string v6 = "\x20\1\x0d\xb8"s + std::string(11, '\0') + "\1";
  const std::string mapped = std::string(10, '\0') + "\xff\xff\xc0\0\2\7"s;
  EXPECT_EQ(outcome(version2(0x21, 0x21, v6 + v6 + "\0\1\0\2"s)),
            "[2001:db8::1]:1 to [2001:db8::1]:2");
  EXPECT_EQ(outcome(version2(0x21, 0x21, mapped + v6 + "\0\1\0\2"s)),
            "192.0.2.7:1 to [2001:db8::1]:2");
}

TEST(ProxyHeaderV2, IsReadToItsLastByteAndNoFurther) {
  expect_needs_every_byte(tcp4(value(4, "padding")));
  expect_needs_every_byte(version2(0x20, 0, ""));
}

TEST(ProxyHeaderV2, SkipsWhatASenderSaysThatSpeaksForItself) {
  EXPECT_EQ(outcome(version2(0x20, 0, "")), "local");
  EXPECT_EQ(outcome(version2(0x20, 0x11, kAddresses + "\1\xff\xff")), "local");
  EXPECT_EQ(outcome(version2(0x21, 0, "")), "local");
}

TEST(ProxyHeaderV2, RefusesOtherVersionsCommandsAndTransports) {
  EXPECT_EQ(outcome(kStart + "\x11"), "bad_proxy_header");
  EXPECT_EQ(outcome(kStart + "\x22"), "bad_proxy_header");
  for (const uint8_t family : std::initializer_list<uint8_t>{0x12, 0x22, 0x31, 0x32, 0x01, 0x41}) {
    EXPECT_EQ(outcome(version2(0x21, family, std::string(216, 'x'))), "bad_proxy_header");
  }
}

TEST(ProxyHeaderV2, HasABound) {
  EXPECT_EQ(outcome(tcp4(value(4, std::string(4096 - 16 - 12 - 3, 'x')))),
            "192.0.2.1:56324 to 198.51.100.2:443");
  const std::string larger = tcp4(value(4, std::string(4096 - 16 - 12 - 2, 'x')));
  EXPECT_EQ(outcome(larger.substr(0, 16)), "bad_proxy_header") << "before it has been collected";
}

TEST(ProxyHeaderV2, RefusesValuesThatReachBeyondTheHeader) {
  EXPECT_EQ(outcome(version2(0x21, 0x11, kAddresses.substr(0, 11))), "bad_proxy_header");
  EXPECT_EQ(outcome(tcp4("\2")), "bad_proxy_header");
  EXPECT_EQ(outcome(tcp4("\2\0"s)), "bad_proxy_header");
  EXPECT_EQ(outcome(tcp4("\2\0\5four"s)), "bad_proxy_header");
  EXPECT_EQ(outcome(tcp4("\xee\xff\xff"s)), "bad_proxy_header");
  EXPECT_EQ(outcome(tcp4(value(0x20, "\1\0\0\0"s))), "bad_proxy_header");
  EXPECT_EQ(outcome(tcp4(value(0x20, "\1\0\0\0\0\x21\0\7TLS"s))), "bad_proxy_header");
}

TEST(ProxyHeaderV2, ReadsWhatALogLineSays) {
  const std::string tls = "\7\0\0\0\0"s + value(0x21, "TLSv1.3") + value(0x22, "ci.example") +
                          value(0x23, "TLS_AES_256_GCM_SHA384");
  const std::string header = tcp4(value(1, "h2") + value(2, "api.example") + value(5, "id-1") +
                                  value(0x20, tls) + value(0xe0, "of one's own"));
  const auto reading = read(header);
  ASSERT_TRUE(reading && *reading);
  const Notes& notes = (*reading)->message.notes;
  EXPECT_EQ(notes.alpn, "h2");
  EXPECT_EQ(notes.authority, "api.example");
  EXPECT_EQ(notes.unique_id, "id-1");
  EXPECT_EQ(notes.tls_version, "TLSv1.3");
  EXPECT_EQ(notes.tls_name, "ci.example");
}

TEST(ProxyHeaderV2, BelievesNoNameOfACertificateThatWasNotVerified) {
  const std::string header = tcp4(value(0x20, "\7\0\0\0\1"s + value(0x22, "root")));
  const auto reading = read(header);
  ASSERT_TRUE(reading && *reading);
  EXPECT_EQ((*reading)->message.notes.tls_name, "");
}

TEST(ProxyHeaderV2, RefusesASecondValueOfAKindThatItReads) {
  for (const uint8_t type : std::initializer_list<uint8_t>{1, 2, 5}) {
    EXPECT_EQ(outcome(tcp4(value(type, "one") + value(type, "two"))), "bad_proxy_header");
  }
  EXPECT_EQ(outcome(tcp4(value(0x20, "\1\0\0\0\0"s) + value(0x20, "\1\0\0\0\0"s))),
            "bad_proxy_header");
  EXPECT_EQ(outcome(tcp4(value(5, std::string(129, 'x')))), "bad_proxy_header");
}

TEST(ProxyHeaderV2, ChecksItsChecksum) {
  const std::string header = write_v2({.source = *Endpoint::parse("192.0.2.1:56324"),
                                       .destination = *Endpoint::parse("198.51.100.2:443"),
                                       .authority = "api.example",
                                       .unique_id = "1-2"});
  EXPECT_EQ(outcome(header), "192.0.2.1:56324 to 198.51.100.2:443");
  for (size_t at = 16; at < header.size(); ++at) {
    std::string changed = header;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_EQ(outcome(changed), "bad_proxy_header") << at;
  }
  EXPECT_EQ(outcome(tcp4(value(3, "abc"))), "bad_proxy_header");
}

TEST(Crc32c, GivesTheValuesOfItsSpecification) {
  Crc32c digits;  // RFC 3720 appendix B.4 has the zeros
  digits.add(bytes_of("123456789"));
  EXPECT_EQ(digits.value(), 0xe3069283u);
  Crc32c zeros;
  zeros.add(bytes_of(std::string(32, '\0')));
  EXPECT_EQ(zeros.value(), 0x8a9136aau);
}

TEST(ProxyHeaderWriter, WritesWhatTheReaderReads) {
  const Endpoint v4 = *Endpoint::parse("192.0.2.1:5");
  const Endpoint v6 = *Endpoint::parse("[2001:db8::1]:65535");
  const Endpoint mapped = *Endpoint::parse("[::ffff:192.0.2.1]:5");
  for (const auto& source : {v4, v6}) {
    for (const auto& destination : {v4, v6}) {
      const std::string wanted = source.text() + " to " + destination.text();
      const Announcement announcement{source, destination, "a.example", "7"};
      EXPECT_EQ(outcome(write_v1(announcement)), wanted);
      EXPECT_EQ(outcome(write_v2(announcement)), wanted);
      EXPECT_LE(write_v1(announcement).size(), 107u);
    }
  }
  EXPECT_EQ(write_v1({v4, v6, "", ""}), "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 5 65535\r\n");
  EXPECT_EQ(outcome(write_v2({mapped, v6, "", ""})), "192.0.2.1:5 to [2001:db8::1]:65535");
}

}  // namespace
}  // namespace penstock::announce
