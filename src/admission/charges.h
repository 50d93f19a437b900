// What the tunnels of one account spend together, from whichever worker: bandwidth, as the instant
// of a GCRA in one atomic word, and bytes, as a count that the account takes from there.
// Thread: any.   Lifetime: an account's; Charges point into it.
// Cost: one compare-exchange or one addition to spend.
#pragma once

#include <atomic>

#include "admission/gcra.h"

namespace penstock::admission {

class SharedDebt {
 public:
  Instant paid_at() const { return Instant(Duration(paid_at_.load(std::memory_order_relaxed))); }

  // Spends `price`, and says when all is paid for with it. Callers thereby stand in line: each gets
  // a stretch of time of its own, behind those who came before.
  Instant charge(Instant now, Duration price) {
    Duration::rep before = paid_at_.load(std::memory_order_relaxed);
    Instant after;
    // SAFETY: the instant guards nothing but itself.
    do {
      after = gcra::owing(Instant(Duration(before)), now, price);
    } while (!paid_at_.compare_exchange_weak(before, after.time_since_epoch().count(),
                                             std::memory_order_relaxed));
    return after;
  }
  // Gives back what was charged and not used.
  void credit(Duration price) { paid_at_.fetch_sub(price.count(), std::memory_order_relaxed); }

 private:
  std::atomic<Duration::rep> paid_at_{0};
};

// What one direction of a tunnel charges, and to whom. Null: nothing of that kind is limited.
struct Charges {
  SharedDebt* bandwidth = nullptr;
  uint64_t bytes_per_second = 0;
  std::atomic<uint64_t>* bytes = nullptr;  // moved, and not yet charged by the account

  explicit operator bool() const { return bandwidth != nullptr || bytes != nullptr; }
};

}  // namespace penstock::admission
