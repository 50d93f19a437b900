// A bounded queue of lines between one worker and the log's writer thread: bytes in a circle,
// each line with its newline, no allocation after construction.
// Thread: push(), fuller_than_half() the producer's; unread(), consume() the writer's; dropped()
// any.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "observe/counter.h"

namespace penstock::observe {

class LineRing {
 public:
  explicit LineRing(size_t capacity);  // bytes, a power of two

  // Whole line or nothing: false, and counted, if there is no room. A newline inside the line
  // becomes a space, so that nobody can forge a line of log by getting one into a field.
  bool push(std::string_view line);
  bool fuller_than_half() const;

  // What can be written, in order: whole lines only, in two parts where the circle closes. Stays
  // valid until it is consumed.
  std::array<std::string_view, 2> unread() const;
  bool empty() const;
  void consume(size_t bytes);

  uint64_t dropped() const { return dropped_.value(); }

 private:
  void put(size_t at, std::string_view text);

  const size_t capacity_;
  const std::unique_ptr<char[]> bytes_;
  // Positions count bytes since the start and never wrap; each side keeps its own cache line.
  alignas(64) std::atomic<uint64_t> written_{0};
  uint64_t seen_read_ = 0;  // the producer's last look at read_
  Counter dropped_;
  alignas(64) std::atomic<uint64_t> read_{0};
};

}  // namespace penstock::observe
