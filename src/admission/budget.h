// Counts with a ceiling. Whoever holds a Share is counted; destroying it gives the place back, on
// success, refusal, timeout and cancellation alike, so there is no other way to give it back.
// Thread: any; limits must hold for the process, and clients and destinations meet on every worker.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/check.h"

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

// One count per key: a client, a destination. Keys without holders take no memory.
// Cost: one short lock of one of 64 stripes and one hash look-up (door_bench.cpp).
template <class Key, class Hash = std::hash<Key>>
class KeyedBudget {
  using Counts = std::unordered_map<Key, uint64_t, Hash>;
  struct Stripe {
    std::mutex mutex;
    Counts counts;  // guarded by mutex
  };

 public:
  class [[nodiscard]] Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept
        : stripe_(std::exchange(other.stripe_, nullptr)), entry_(other.entry_) {}
    Share& operator=(Share&& other) noexcept {
      std::swap(stripe_, other.stripe_);
      std::swap(entry_, other.entry_);
      return *this;
    }
    ~Share() { reset(); }
    explicit operator bool() const { return stripe_ != nullptr; }

    void reset() {
      if (!stripe_) return;
      Stripe& stripe = *std::exchange(stripe_, nullptr);
      const std::lock_guard lock(stripe.mutex);
      PENSTOCK_CHECK(entry_->second > 0);
      if (--entry_->second == 0) stripe.counts.erase(stripe.counts.find(entry_->first));
    }

   private:
    friend class KeyedBudget;
    Share(Stripe* stripe, typename Counts::value_type* entry) : stripe_(stripe), entry_(entry) {}
    Stripe* stripe_ = nullptr;
    typename Counts::value_type* entry_ = nullptr;  // nodes of an unordered_map stay where they are
  };

  // An empty Share: this key holds `limit` already. The limit is at least 1.
  Share take(const Key& key, uint64_t limit) {
    Stripe& stripe = stripes_[Hash()(key) * 0x9e3779b97f4a7c15ull >> 58];
    const std::lock_guard lock(stripe.mutex);
    auto& entry = *stripe.counts.try_emplace(key, 0).first;
    if (entry.second >= limit) return Share();
    ++entry.second;
    return Share(&stripe, &entry);
  }

  uint64_t held(const Key& key) {
    Stripe& stripe = stripes_[Hash()(key) * 0x9e3779b97f4a7c15ull >> 58];
    const std::lock_guard lock(stripe.mutex);
    const auto found = stripe.counts.find(key);
    return found == stripe.counts.end() ? 0 : found->second;
  }
  size_t keys() {
    size_t sum = 0;
    for (Stripe& stripe : stripes_) {
      const std::lock_guard lock(stripe.mutex);
      sum += stripe.counts.size();
    }
    return sum;
  }

 private:
  std::array<Stripe, 64> stripes_;
};

}  // namespace penstock::admission
