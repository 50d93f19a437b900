#include "bump/pinned.h"

namespace penstock::bump {
namespace {

std::string key_of(const IpAddress& client, const std::string& name) {
  return client.text() + ' ' + name;
}

}  // namespace

uint32_t Pinned::broke_off(const IpAddress& client, const std::string& name) {
  const std::string key = key_of(client, name);
  const std::lock_guard lock(mutex_);
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    pairs_.splice(pairs_.begin(), pairs_, found->second);
    return ++pairs_.front().count;
  }
  if (pairs_.size() >= kMax) {
    by_key_.erase(pairs_.back().key);
    pairs_.pop_back();
  }
  pairs_.push_front({key, 1});
  by_key_.emplace(key, pairs_.begin());
  return 1;
}

void Pinned::went_on(const IpAddress& client, const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (by_key_.empty()) return;
  const auto found = by_key_.find(key_of(client, name));
  if (found == by_key_.end()) return;
  pairs_.erase(found->second);
  by_key_.erase(found);
}

uint32_t Pinned::count(const IpAddress& client, const std::string& name) const {
  const std::lock_guard lock(mutex_);
  if (by_key_.empty()) return 0;
  const auto found = by_key_.find(key_of(client, name));
  return found == by_key_.end() ? 0 : found->second->count;
}

size_t Pinned::size() const {
  const std::lock_guard lock(mutex_);
  return pairs_.size();
}

}  // namespace penstock::bump
