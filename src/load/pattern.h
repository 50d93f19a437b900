// The bytes that a load run sends and expects: the same everywhere, so that each end can check
// each byte without having been told. They begin with 'E' and repeat after a prime number of bytes,
// so that a block that is moved by a buffer's length does not look right.
// Thread: any, once made.   Cost: 320 KiB, made once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace penstock::load {

class Pattern {
 public:
  static constexpr size_t kPeriod = 65'521;
  static constexpr size_t kPiece = size_t{256} << 10;  // the most that one call to at() gives
  // So many pieces in a row, and then the other streams of this thread.
  static constexpr int kPiecesInARow = 8;

  Pattern();

  // The `size` bytes from `offset` of the endless pattern on; size <= kPiece.
  std::span<const uint8_t> at(uint64_t offset, size_t size) const {
    return std::span(bytes_).subspan(offset % kPeriod, size);
  }
  // The offset of the first byte that is not what the pattern has there. bytes.size() <= kPiece.
  std::optional<uint64_t> first_wrong(uint64_t offset, std::span<const uint8_t> bytes) const;

 private:
  std::array<uint8_t, kPeriod + kPiece> bytes_;
};

const Pattern& pattern();

}  // namespace penstock::load
