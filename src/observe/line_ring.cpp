#include "observe/line_ring.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"

namespace penstock::observe {

LineRing::LineRing(size_t capacity)
    : capacity_(capacity), bytes_(std::make_unique_for_overwrite<char[]>(capacity)) {
  PENSTOCK_CHECK(std::has_single_bit(capacity));
}

void LineRing::put(size_t at, std::string_view text) {
  const size_t offset = at & (capacity_ - 1);
  const size_t before_wrap = std::min(text.size(), capacity_ - offset);
  std::memcpy(bytes_.get() + offset, text.data(), before_wrap);
  std::memcpy(bytes_.get(), text.data() + before_wrap, text.size() - before_wrap);
}

bool LineRing::push(std::string_view line) {
  const uint64_t start = written_.load(std::memory_order_relaxed);
  const size_t needed = line.size() + 1;
  if (needed > capacity_ - (start - seen_read_)) {
    seen_read_ = read_.load(std::memory_order_acquire);
    if (needed > capacity_ - (start - seen_read_)) {
      dropped_.add();
      return false;
    }
  }
  put(start, line);
  for (size_t at = line.find('\n'); at != line.npos; at = line.find('\n', at + 1)) {
    put(start + at, " ");
  }
  put(start + line.size(), "\n");
  // Sequentially consistent, not just release: the sink orders it against "is the writer asleep?".
  written_.store(start + needed, std::memory_order_seq_cst);
  return true;
}

bool LineRing::fuller_than_half() const {
  return written_.load(std::memory_order_relaxed) - read_.load(std::memory_order_relaxed) >
         capacity_ / 2;
}

std::array<std::string_view, 2> LineRing::unread() const {
  const uint64_t start = read_.load(std::memory_order_relaxed);
  const size_t size = written_.load(std::memory_order_acquire) - start;
  const size_t offset = start & (capacity_ - 1);
  const size_t before_wrap = std::min(size, capacity_ - offset);
  return {std::string_view(bytes_.get() + offset, before_wrap),
          std::string_view(bytes_.get(), size - before_wrap)};
}

bool LineRing::empty() const {
  return written_.load(std::memory_order_seq_cst) == read_.load(std::memory_order_relaxed);
}

void LineRing::consume(size_t bytes) {
  const uint64_t start = read_.load(std::memory_order_relaxed);
  PENSTOCK_CHECK(bytes <= written_.load(std::memory_order_relaxed) - start);
  read_.store(start + bytes, std::memory_order_release);
}

}  // namespace penstock::observe
