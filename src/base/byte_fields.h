// Fields off the front of a binary message, most significant byte first.
// Lifetime: views into the bytes given.   Cost: no allocation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace penstock {

// A field that is not all there is taken as far as it goes and clears ok(), which stays cleared.
class ByteFields {
 public:
  using Bytes = std::span<const uint8_t>;

  explicit ByteFields(Bytes rest) : rest_(rest) {}

  Bytes take(size_t size) {
    if (size > rest_.size()) {
      ok_ = false;
      size = rest_.size();
    }
    const Bytes out = rest_.first(size);
    rest_ = rest_.subspan(size);
    return out;
  }
  size_t number(size_t width) {
    size_t value = 0;
    for (const uint8_t byte : take(width)) value = value << 8 | byte;
    return value;
  }
  // A vector: its length in `width` bytes, then so many bytes.
  Bytes vector(size_t width) { return take(number(width)); }

  bool ok() const { return ok_; }
  bool empty() const { return rest_.empty(); }
  bool ended_well() const { return ok_ && rest_.empty(); }
  size_t left() const { return rest_.size(); }

 private:
  Bytes rest_;
  bool ok_ = true;
};

}  // namespace penstock
