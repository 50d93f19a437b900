// What was made lately, by what it was made for: a bounded number, of which what was used longest
// ago goes first. Thread: one at a time.   Cost: a look-up and a move in a list.
#pragma once

#include <cstdint>
#include <ctime>
#include <list>
#include <string>
#include <unordered_map>

namespace penstock::bump {

template <class T>
class Shelf {
 public:
  explicit Shelf(uint64_t most) : most_(most) {}

  // Null: it is not there, or is over.
  const T* find(const std::string& key, time_t now) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return nullptr;
    if (now > found->second->until) {
      things_.erase(found->second);
      by_key_.erase(found);
      return nullptr;
    }
    things_.splice(things_.begin(), things_, found->second);
    return &found->second->thing;
  }
  // Is found until `until`, and in that second. Of a key that is there already nothing changes.
  void put(const std::string& key, T thing, time_t until) {
    if (most_ == 0 || by_key_.contains(key)) return;
    if (things_.size() >= most_) {
      by_key_.erase(things_.back().key);
      things_.pop_back();
    }
    things_.push_front({key, std::move(thing), until});
    by_key_.emplace(key, things_.begin());
  }
  size_t size() const { return things_.size(); }

 private:
  struct Kept {
    std::string key;
    T thing;
    time_t until;
  };

  const uint64_t most_;
  std::list<Kept> things_;  // latest used first
  std::unordered_map<std::string, typename std::list<Kept>::iterator> by_key_;
};

}  // namespace penstock::bump
