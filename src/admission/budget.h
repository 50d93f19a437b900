// Counts with a ceiling. Whoever holds a Share is counted; destroying it gives the place back, on
// success, refusal, timeout and cancellation alike, so there is no other way to give it back.
// Thread: any; limits must hold for the process.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace penstock::admission {

// One count for all. A limit of 0 means "none".
class Budget {
 public:
  class [[nodiscard]] Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept : budget_(std::exchange(other.budget_, nullptr)) {}
    Share& operator=(Share&& other) noexcept {
      std::swap(budget_, other.budget_);
      return *this;
    }
    ~Share() {
      if (budget_) budget_->give_back();
    }
    explicit operator bool() const { return budget_ != nullptr; }

   private:
    friend class Budget;
    explicit Share(Budget* budget) : budget_(budget) {}
    Budget* budget_ = nullptr;
  };

  explicit Budget(uint64_t limit = 0) : limit_(limit) {}

  // An empty Share: no room.
  Share take() {
    const uint64_t limit = limit_.load(std::memory_order_relaxed);
    // SAFETY: the counter guards nothing but itself; an overshoot is taken back at once, so the
    // limit is never exceeded by what is handed out.
    if (in_use_.fetch_add(1, std::memory_order_relaxed) >= limit && limit != 0) {
      give_back();
      return Share();
    }
    return Share(this);
  }

  void set_limit(uint64_t limit) { limit_.store(limit, std::memory_order_relaxed); }
  uint64_t limit() const { return limit_.load(std::memory_order_relaxed); }
  uint64_t in_use() const { return in_use_.load(std::memory_order_relaxed); }

 private:
  void give_back() { in_use_.fetch_sub(1, std::memory_order_relaxed); }

  std::atomic<uint64_t> limit_;
  std::atomic<uint64_t> in_use_{0};
};

}  // namespace penstock::admission
