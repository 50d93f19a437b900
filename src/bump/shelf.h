// What was made lately, by what it was made for: a bounded number, of which what was used longest
// ago goes first. Thread: one at a time.   Cost: a look-up and a move in a list.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <utility>

#include "bump/recent.h"

namespace penstock::bump {

template <class T>
class Shelf {
 public:
  explicit Shelf(uint64_t most) : kept_(most) {}

  // Null: it is not there, or is over.
  const T* find(const std::string& key, time_t now) {
    const Kept* const found = kept_.find(key);
    if (!found) return nullptr;
    if (now > found->until) {
      kept_.forget(key);
      return nullptr;
    }
    kept_.touch(key);
    return &found->thing;
  }
  // Is found until `until`, and in that second. Of a key that is there already nothing changes.
  void put(const std::string& key, T thing, time_t until) {
    if (!kept_.find(key)) kept_.put(key, {std::move(thing), until});
  }
  size_t size() const { return kept_.size(); }

 private:
  struct Kept {
    T thing;
    time_t until;
  };

  Recent<Kept> kept_;
};

}  // namespace penstock::bump
