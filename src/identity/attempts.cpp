#include "identity/attempts.h"

#include <algorithm>

#include "admission/client.h"

namespace penstock::identity {
namespace {

// Entries that each newcomer looks at: two leave for one that comes.
constexpr int kSweptAtOnce = 2;
constexpr int kChosenAmong = 8;

}  // namespace

void Attempts::forget(Client& client) {
  client.unlink();
  clients_.erase(client.address);
}

// Those who owe nothing are as if they had never come.
void Attempts::make_room(Instant now) {
  for (int i = 0; i < kSweptAtOnce && !in_turn_.empty(); ++i) {
    Client& first = in_turn_.front();
    if (first.paid_at <= now) {
      forget(first);
    } else {
      in_turn_.push_back(first);
    }
  }
  if (clients_.size() < kClientsMax) return;
  Client* least = &in_turn_.front();
  for (int i = 0; i < kChosenAmong; ++i) {
    Client& next = in_turn_.front();
    if (next.paid_at < least->paid_at) least = &next;
    in_turn_.push_back(next);
  }
  forget(*least);
}

std::optional<Duration> Attempts::begin(const admission::Ration& allowed, const IpAddress& client,
                                        Instant now) {
  if (!allowed) return std::nullopt;
  const admission::Gcra rule(allowed, allowed.count);
  const IpAddress address = admission::accountable(client);
  const std::lock_guard lock(mutex_);
  auto found = clients_.find(address);
  if (found == clients_.end()) {
    make_room(now);
    found = clients_.try_emplace(address).first;
    found->second.address = address;
    in_turn_.push_back(found->second);
  }
  Instant& paid_at = found->second.paid_at;
  if (!rule.affords(paid_at, now, 1)) return rule.affords_at(paid_at, 1) - now;
  paid_at = rule.spend(paid_at, now, 1);
  return std::nullopt;
}

std::optional<Duration> Attempts::must_wait(const admission::Ration& allowed,
                                            const IpAddress& client, Instant now) const {
  if (!allowed) return std::nullopt;
  const admission::Gcra rule(allowed, allowed.count);
  const std::lock_guard lock(mutex_);
  const auto found = clients_.find(admission::accountable(client));
  if (found == clients_.end() || rule.affords(found->second.paid_at, now, 1)) return std::nullopt;
  return rule.affords_at(found->second.paid_at, 1) - now;
}

void Attempts::forgive(const admission::Ration& allowed, const IpAddress& client) {
  if (!allowed) return;
  const std::lock_guard lock(mutex_);
  const auto found = clients_.find(admission::accountable(client));
  if (found == clients_.end()) return;
  found->second.paid_at -= admission::Gcra(allowed, allowed.count).price(1);
}

size_t Attempts::clients() const {
  const std::lock_guard lock(mutex_);
  return clients_.size();
}

}  // namespace penstock::identity
