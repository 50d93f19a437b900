#include "identity/verified.h"

#include <cstring>

namespace penstock::identity {

size_t DigestHash::operator()(const Digest& digest) const {
  size_t out;
  // SAFETY: a digest has more bytes than a size_t.
  std::memcpy(&out, digest.data(), sizeof(out));
  return out;
}

void Verified::forget(Entry& entry) {
  entry.unlink();
  const Digest credentials = *entry.credentials;
  entries_.erase(credentials);
}

IdentityPtr Verified::find(const Digest& credentials, Instant now) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(credentials);
  if (found == entries_.end()) return nullptr;
  if (now < found->second.until) return found->second.who;
  forget(found->second);
  return nullptr;
}

void Verified::add(const Digest& credentials, IdentityPtr who, Instant until) {
  const std::lock_guard lock(mutex_);
  const auto [found, fresh] = entries_.try_emplace(credentials);
  Entry& entry = found->second;
  if (!fresh) entry.unlink();
  entry.credentials = &found->first;
  entry.who = std::move(who);
  entry.until = until;
  oldest_first_.push_back(entry);
  if (entries_.size() > kEntriesMax) forget(oldest_first_.front());
}

size_t Verified::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace penstock::identity
