// Which keys are asked for most, counted in bounded memory: Space-Saving (A. Metwally, D. Agrawal,
// A. El Abbadi: Efficient computation of frequent and top-k elements in data streams, ICDT 2005).
// A key that finds no place takes that of the least asked and inherits its count, so that what is
// asked for often is never missed. Counts are halved now and then: what was popular an hour ago is
// not.
// Pure.   Thread: one.   Cost: one look-up and one binary search.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/time.h"

namespace penstock::dial {

class Popular {
 public:
  static constexpr Duration kHalfLife = std::chrono::seconds(10);

  // The `top` most asked are popular; 0: none is, and nothing is counted.
  explicit Popular(size_t top) : top_(top) {}

  // `key` is asked for. Whether it is popular: among the most asked, and asked for at least twice.
  bool ask(const std::string& key, Instant now);

  size_t counted() const { return ranks_.size(); }

 private:
  // Four times as many as are wanted: the places next to the last are where the counts are wrong.
  size_t places() const { return 4 * top_ + 16; }

  struct Rank {
    const std::string* key;  // in places_, whose nodes stay where they are
    uint64_t count;
    uint64_t inherited;  // of these, asked for by others
  };
  void halve(Instant now);
  size_t place_of(const std::string& key);
  size_t raise(size_t rank);

  size_t top_;
  std::vector<Rank> ranks_;  // the most asked first
  std::unordered_map<std::string, size_t> places_;
  Instant halved_{};
};

}  // namespace penstock::dial
