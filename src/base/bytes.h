// Text as the bytes that sockets take, and the other way.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace penstock {

inline std::span<const uint8_t> bytes_of(std::string_view text) {
  // SAFETY: chars are bytes.
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// Bytes as the characters they may be.
inline std::string_view text_of(std::span<const uint8_t> bytes) {
  // SAFETY: bytes are read as chars.
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace penstock
