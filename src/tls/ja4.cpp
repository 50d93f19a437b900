#include "tls/ja4.h"

#include <openssl/sha.h>

#include <algorithm>
#include <span>
#include <string_view>
#include <vector>

#include "base/ascii.h"
#include "base/byte_fields.h"

namespace penstock::tls {
namespace {

using Bytes = std::span<const uint8_t>;
using Numbers = std::vector<uint16_t>;

constexpr uint16_t kServerNameType = 0;
constexpr uint16_t kSignatureAlgorithms = 13;  // RFC 8446 section 4.2.3
constexpr uint16_t kAlpnType = 16;
constexpr uint16_t kSupportedVersions = 43;  // RFC 8446 section 4.2.1
constexpr size_t kCountMax = 99;             // two characters have no room for more

// RFC 8701 section 2: 0x0a0a, 0x1a1a and so on to 0xfafa.
constexpr bool is_grease(size_t number) {
  return (number & 0x0f0f) == 0x0a0a && number >> 8 == (number & 0xff);
}

Numbers numbers_in(Bytes list) {
  Numbers out;
  for (ByteFields fields(list); fields.left() >= 2;) {
    const size_t number = fields.number(2);
    if (!is_grease(number)) out.push_back(static_cast<uint16_t>(number));
  }
  return out;
}

char hex_digit(size_t value) {
  return "0123456789abcdef"[value & 15];
}

std::string hex(const Numbers& numbers) {
  std::string out;
  for (const uint16_t number : numbers) {
    if (!out.empty()) out += ',';
    for (const int shift : {12, 8, 4, 0}) out += hex_digit(size_t{number} >> shift);
  }
  return out;
}

// The first twelve digits of the SHA-256; zeros for a list that is empty.
std::string digest_of(std::string_view text, bool empty) {
  constexpr size_t kDigits = 12;
  if (empty) return std::string(kDigits, '0');
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  std::string out;
  for (size_t i = 0; i < kDigits / 2; ++i) out += {hex_digit(digest[i] >> 4), hex_digit(digest[i])};
  return out;
}

std::string_view version_word(size_t version) {
  switch (version) {
    case 0x0304: return "13";
    case 0x0303: return "12";
    case 0x0302: return "11";
    case 0x0301: return "10";
    case 0x0300: return "s3";
    default: return "00";
  }
}

void append_count(std::string& out, size_t count) {
  count = std::min(count, kCountMax);
  out += {static_cast<char>('0' + count / 10), static_cast<char>('0' + count % 10)};
}

// The first and last character of the first protocol; of its hexadecimal form where either is
// neither a letter nor a digit.
void append_alpn(std::string& out, std::string_view alpn) {
  const auto plain = [](char c) { return is_alpha(c) || is_digit(c); };
  if (alpn.empty()) {
    out += "00";
  } else if (plain(alpn.front()) && plain(alpn.back())) {
    out += {alpn.front(), alpn.back()};
  } else {
    out += {hex_digit(static_cast<uint8_t>(alpn.front()) >> 4),
            hex_digit(static_cast<uint8_t>(alpn.back()))};
  }
}

// What the fingerprint takes from the extensions.
struct Extensions {
  size_t count = 0;
  Numbers hashed;  // without the two whose presence the first part has
  Numbers signature_algorithms;
  size_t version = 0;  // the highest; 0: none is listed
};

Extensions read(Bytes list) {
  Extensions out;
  for (ByteFields fields(list); !fields.empty();) {
    const size_t type = fields.number(2);
    ByteFields body(fields.vector(2));
    if (is_grease(type)) continue;
    ++out.count;
    if (type != kServerNameType && type != kAlpnType)
      out.hashed.push_back(static_cast<uint16_t>(type));
    if (type == kSignatureAlgorithms) out.signature_algorithms = numbers_in(body.vector(2));
    if (type == kSupportedVersions) {
      for (const uint16_t version : numbers_in(body.vector(1))) {
        out.version = std::max(out.version, size_t{version});
      }
    }
  }
  return out;
}

}  // namespace

std::string ja4(const ClientHello& hello) {
  Numbers ciphers = numbers_in(hello.cipher_suites);
  Extensions extensions = read(hello.extensions);
  std::ranges::sort(ciphers);
  std::ranges::sort(extensions.hashed);

  std::string out = "t";
  out += version_word(extensions.version != 0 ? extensions.version : hello.version);
  out += hello.sni.empty() ? 'i' : 'd';
  append_count(out, ciphers.size());
  append_count(out, extensions.count);
  append_alpn(out, hello.alpn);
  out += '_';
  out += digest_of(hex(ciphers), ciphers.empty());
  out += '_';
  std::string offered = hex(extensions.hashed);
  if (!extensions.signature_algorithms.empty()) {
    offered += '_';
    offered += hex(extensions.signature_algorithms);
  }
  out += digest_of(offered, extensions.hashed.empty());
  return out;
}

}  // namespace penstock::tls
