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
  const uint32_t* const before = counts_.find(key);
  const uint32_t now = before ? *before + 1 : 1;
  counts_.put(key, now);
  return now;
}

void Pinned::went_on(const IpAddress& client, const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (counts_.size() > 0) counts_.forget(key_of(client, name));
}

uint32_t Pinned::count(const IpAddress& client, const std::string& name) const {
  const std::lock_guard lock(mutex_);
  if (counts_.size() == 0) return 0;
  const uint32_t* const found = counts_.find(key_of(client, name));
  return found ? *found : 0;
}

size_t Pinned::size() const {
  const std::lock_guard lock(mutex_);
  return counts_.size();
}

}  // namespace penstock::bump
