// A number that one thread counts and others read.
#pragma once

#include <atomic>
#include <cstdint>

namespace penstock::observe {

class Counter {
 public:
  void add(uint64_t n = 1) {
    // SAFETY: one writer, so load and store need not be one operation; that saves the lock prefix.
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void subtract(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
  }
  // For a number that is counted elsewhere: a reader never sees a zero in between.
  void set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace penstock::observe
