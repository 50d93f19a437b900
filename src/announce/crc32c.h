// CRC-32C (Castagnoli), bit-reflected, as RFC 3309 and the PROXY protocol use it.
// Cost: a table look-up per byte, for messages of a few hundred bytes.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace penstock::announce {

class Crc32c {
 public:
  void add(std::span<const uint8_t> bytes) {
    for (const uint8_t byte : bytes) state_ = kTable[(state_ ^ byte) & 0xff] ^ state_ >> 8;
  }
  uint32_t value() const { return ~state_; }

 private:
  static constexpr std::array<uint32_t, 256> kTable = [] {
    std::array<uint32_t, 256> out{};
    for (uint32_t i = 0; i < out.size(); ++i) {
      uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) {
        value = value >> 1 ^ ((value & 1) != 0 ? 0x82f63b78u : 0u);
      }
      out[i] = value;
    }
    return out;
  }();

  uint32_t state_ = 0xffffffff;
};

}  // namespace penstock::announce
