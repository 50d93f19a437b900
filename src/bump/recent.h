// Things by key, a bounded number of them, of which the one that was touched longest ago goes
// first. Thread: one at a time.   Cost: a look-up and a move in a list.
#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <unordered_map>
#include <utility>

namespace penstock::bump {

template <class T>
class Recent {
 public:
  explicit Recent(size_t most) : most_(most) {}

  // Null: it is not there.
  T* find(const std::string& key) {
    const auto found = by_key_.find(key);
    return found == by_key_.end() ? nullptr : &found->second->second;
  }
  const T* find(const std::string& key) const { return const_cast<Recent*>(this)->find(key); }
  void touch(const std::string& key) {
    if (const auto found = by_key_.find(key); found != by_key_.end()) {
      things_.splice(things_.begin(), things_, found->second);
    }
  }
  // Of a key that is there already the thing is another from now on.
  void put(const std::string& key, T thing) {
    if (most_ == 0) return;
    if (T* const known = find(key)) {
      *known = std::move(thing);
      return touch(key);
    }
    if (things_.size() >= most_) {
      by_key_.erase(things_.back().first);
      things_.pop_back();
    }
    things_.emplace_front(key, std::move(thing));
    by_key_.emplace(key, things_.begin());
  }
  void forget(const std::string& key) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return;
    things_.erase(found->second);
    by_key_.erase(found);
  }
  size_t size() const { return things_.size(); }

 private:
  const size_t most_;
  std::list<std::pair<std::string, T>> things_;  // latest touched first
  std::unordered_map<std::string, typename std::list<std::pair<std::string, T>>::iterator> by_key_;
};

}  // namespace penstock::bump
