// Text as the bytes that sockets take.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace penstock {

inline std::span<const uint8_t> bytes_of(std::string_view text) {
  // SAFETY: chars are bytes.
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace penstock
