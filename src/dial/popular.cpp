#include "dial/popular.h"

#include <algorithm>
#include <utility>

namespace penstock::dial {

bool Popular::ask(const std::string& key, Instant now) {
  if (top_ == 0) return false;
  halve(now);
  const size_t rank = raise(place_of(key));
  return rank < top_ && ranks_[rank].count - ranks_[rank].inherited >= 2;
}

// The rank of `key`, which gets one if it has none.
size_t Popular::place_of(const std::string& key) {
  const auto found = places_.find(key);
  if (found != places_.end()) return found->second;
  if (ranks_.size() < places()) {
    const auto added = places_.emplace(key, ranks_.size()).first;
    ranks_.push_back({&added->first, 0, 0});
  } else {
    Rank& last = ranks_.back();
    places_.erase(places_.find(*last.key));
    const auto added = places_.emplace(key, ranks_.size() - 1).first;
    last = {&added->first, last.count, last.count};
  }
  return ranks_.size() - 1;
}

// Counts one more, and puts it in front of those that have as many as it had.
size_t Popular::raise(size_t rank) {
  const auto fewer = [](const Rank& a, uint64_t count) { return a.count > count; };
  const auto first = std::lower_bound(ranks_.begin(), ranks_.end(), ranks_[rank].count, fewer);
  const auto to = static_cast<size_t>(first - ranks_.begin());
  std::swap(ranks_[to], ranks_[rank]);
  places_[*ranks_[rank].key] = rank;
  places_[*ranks_[to].key] = to;
  ++ranks_[to].count;
  return to;
}

void Popular::halve(Instant now) {
  if (now - halved_ < kHalfLife) return;
  for (Duration left = now - halved_; left >= kHalfLife && !ranks_.empty(); left -= kHalfLife) {
    for (Rank& rank : ranks_) {
      rank.count /= 2;
      rank.inherited /= 2;
    }
    while (!ranks_.empty() && ranks_.back().count == 0) {
      places_.erase(places_.find(*ranks_.back().key));
      ranks_.pop_back();
    }
  }
  halved_ = now;
}

}  // namespace penstock::dial
