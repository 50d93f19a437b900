#include "config/unicode.h"

#include <cstdint>

namespace penstock::config {
namespace {

struct CodePoint {
  uint32_t value;
  size_t bytes;
};

// The code point at the front of `text`, which is not empty. Empty: overlong, a surrogate, out of
// range or cut short.
std::optional<CodePoint> decode(std::string_view text) {
  const auto lead = static_cast<uint8_t>(text[0]);
  if (lead < 0x80) return CodePoint{lead, 1};
  if (lead < 0xc2 || lead > 0xf4) return std::nullopt;
  const size_t bytes = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (text.size() < bytes) return std::nullopt;
  uint32_t value = lead & (0x7fu >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    const auto next = static_cast<uint8_t>(text[i]);
    if ((next & 0xc0) != 0x80) return std::nullopt;
    value = value << 6 | (next & 0x3f);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  if (value < kSmallest[bytes] || surrogate || value > 0x10ffff) return std::nullopt;
  return CodePoint{value, bytes};
}

bool printable(uint32_t value) {
  if (value < 0x20) return value == '\t' || value == '\n' || value == '\r';
  if (value >= 0x7f && value <= 0x9f) return false;
  // LRE, RLE, PDF, LRO, RLO; LRI, RLI, FSI, PDI.
  if ((value >= 0x202a && value <= 0x202e) || (value >= 0x2066 && value <= 0x2069)) return false;
  return value != 0xfeff;
}

}  // namespace

std::optional<Place> find_unprintable(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  Place place{1, 1};
  while (!text.empty()) {
    const auto point = decode(text);
    if (!point || !printable(point->value)) return place;
    if (point->value == '\n') {
      place = {place.line + 1, 1};
    } else {
      place.column += static_cast<int>(point->bytes);
    }
    text.remove_prefix(point->bytes);
  }
  return std::nullopt;
}

}  // namespace penstock::config
