// A hash map in 64 stripes, each with a lock of its own: workers meet on one only when they ask for
// the same key, or for one beside it.
// Thread: any.   Cost: one short lock and one look-up.
#pragma once

#include <array>
#include <functional>
#include <mutex>
#include <unordered_map>

#include "base/time.h"

namespace penstock::admission {

template <class Key, class Value, class Hash = std::hash<Key>>
class Stripes {
 public:
  static constexpr size_t kStripes = 64;
  using Map = std::unordered_map<Key, Value, Hash>;

  struct Stripe {
    std::mutex mutex;
    Map map;         // guarded by mutex
    Instant tidied;  // guarded by mutex: when it was last looked through for what can go
  };

  Stripe& of(const Key& key) { return stripes_[Hash()(key) * 0x9e3779b97f4a7c15ull >> 58]; }

  // Each entry, stripe by stripe, under the stripe's lock.
  template <class Visit>
  void for_each(Visit&& visit) {
    for (Stripe& stripe : stripes_) {
      const std::lock_guard lock(stripe.mutex);
      for (auto& [key, value] : stripe.map) visit(key, value);
    }
  }

  void clear() {
    for (Stripe& stripe : stripes_) {
      const std::lock_guard lock(stripe.mutex);
      stripe.map.clear();
    }
  }

  size_t size() {
    size_t sum = 0;
    for_each([&](const Key&, Value&) { ++sum; });
    return sum;
  }

 private:
  std::array<Stripe, kStripes> stripes_;
};

}  // namespace penstock::admission
