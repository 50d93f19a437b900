#include "base/base64.h"

#include <array>
#include <cstdint>

#include "base/ascii.h"

namespace penstock {
namespace {

constexpr uint8_t kNone = 0xff;

constexpr std::array<uint8_t, 256> alphabet(char sixty_two, char sixty_three) {
  std::array<uint8_t, 256> out{};
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    int value = kNone;
    if (is_digit(c)) value = 52 + (c - '0');
    if (is_alpha(c)) value = c >= 'a' ? 26 + (c - 'a') : c - 'A';
    if (c == sixty_two) value = 62;
    if (c == sixty_three) value = 63;
    out[static_cast<size_t>(byte)] = static_cast<uint8_t>(value);
  }
  return out;
}

constexpr auto kPlain = alphabet('+', '/');
constexpr auto kUrl = alphabet('-', '_');

std::optional<std::string> decode(std::string_view text, const std::array<uint8_t, 256>& values) {
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  out.reserve(text.size() * 3 / 4);
  uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const uint8_t value = values[static_cast<uint8_t>(c)];
    if (value == kNone) return std::nullopt;
    bits = bits << 6 | value;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out += static_cast<char>(bits >> held & 0xff);
  }
  if ((bits & ((1u << held) - 1)) != 0) return std::nullopt;
  return out;
}

}  // namespace

std::string encode_base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);  // no copy of a secret is left where it was too short
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    for (size_t j = 0; j < 3; ++j) {
      group = group << 8 | (j < count ? static_cast<uint8_t>(bytes[i + j]) : 0u);
    }
    for (size_t digit = 0; digit < 4; ++digit) {
      out += digit <= count ? kAlphabet[group >> (18 - 6 * digit) & 63] : '=';
    }
  }
  return out;
}

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  return decode(text, kPlain);
}

std::optional<std::string> decode_base64url(std::string_view text) {
  return decode(text, kUrl);
}

}  // namespace penstock
