#include "load/pattern.h"

#include <algorithm>
#include <cstring>

#include "base/random.h"

namespace penstock::load {

Pattern::Pattern() {
  Random random(0x70656e73746f636b);
  for (size_t i = 0; i < kPeriod; ++i) bytes_[i] = static_cast<uint8_t>(random.next());
  bytes_[0] = 'E';
  for (size_t i = kPeriod; i < bytes_.size(); ++i) bytes_[i] = bytes_[i - kPeriod];
}

std::optional<uint64_t> Pattern::first_wrong(uint64_t offset,
                                             std::span<const uint8_t> bytes) const {
  const auto right = at(offset, bytes.size());
  // SAFETY: both spans are bytes.size() long.
  if (std::memcmp(right.data(), bytes.data(), bytes.size()) == 0) return std::nullopt;
  const auto [wrong, expected] = std::ranges::mismatch(bytes, right);
  return offset + static_cast<uint64_t>(wrong - bytes.begin());
}

const Pattern& pattern() {
  static const Pattern kPattern;
  return kPattern;
}

}  // namespace penstock::load
