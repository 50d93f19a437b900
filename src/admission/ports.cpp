#include "admission/ports.h"

#include <algorithm>

#include "base/check.h"

namespace penstock::admission {
namespace {

// How long the kernel's refusal stands for those that come next. Asking it anew takes 3.5 ms.
constexpr Duration kRefusalStands = std::chrono::seconds(1);
// How often a stripe is looked through for destinations whose ports are free again.
constexpr Duration kTidyEvery = std::chrono::seconds(5);

bool is_loopback(const IpAddress& address) {
  static const IpAddress kLoopback6 = *IpAddress::parse("::1");
  return address.v6 ? address == kLoopback6 : address.bytes[0] == 127;
}

}  // namespace

size_t Ports::KeyHash::operator()(const Key& key) const noexcept {
  return std::hash<Endpoint>()(key.to) ^ std::hash<IpAddress>()(key.source) * 31;
}

void Ports::Resting::advance(int64_t current) {
  // A clock that seems to go backwards is one with other slots: the time to rest has changed.
  const int64_t stale = current < newest_ ? kSlots : std::min(current - newest_, kSlots);
  for (int64_t i = 0; i < stale; ++i) slots_[static_cast<size_t>((current - i) % kSlots)] = 0;
  newest_ = current;
}

void Ports::Resting::add(Instant now, Duration rest) {
  advance(now.time_since_epoch() / (rest / kSlots));
  ++slots_[static_cast<size_t>(newest_ % kSlots)];
}

uint32_t Ports::Resting::count(Instant now, Duration rest) {
  advance(now.time_since_epoch() / (rest / kSlots));
  uint32_t sum = 0;
  for (const uint32_t slot : slots_) sum += slot;
  return sum;
}

Ports::Share Ports::take(const std::optional<IpAddress>& source, const Endpoint& to, Instant now) {
  const Key key{source.value_or(IpAddress{}), to};
  Table::Stripe& stripe = table_.of(key);
  const std::lock_guard lock(stripe.mutex);
  tidy(stripe, now);
  const auto [found, fresh] = stripe.map.try_emplace(key);
  Entry& entry = *found;
  Held& held = entry.second;
  // Once: shares of this entry read it without the lock.
  if (fresh) held.ports = this;
  if (now < held.refused_until && taken(entry, now) >= room()) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    return Share();
  }
  ++held.in_use;
  return Share(&entry);
}

void Ports::Share::refused(Instant now) {
  Ports& ports = *entry_->second.ports;
  ports.refused_by_kernel_.fetch_add(1, std::memory_order_relaxed);
  const std::lock_guard lock(ports.table_.of(entry_->first).mutex);
  entry_->second.refused_until = now + kRefusalStands;
}

void Ports::Share::rest(Instant now) {
  if (!entry_) return;
  Ports& ports = *entry_->second.ports;
  {
    Table::Stripe& stripe = ports.table_.of(entry_->first);
    const std::lock_guard lock(stripe.mutex);
    Held& held = entry_->second;
    // One port that rests towards a destination that nobody is connected to is no shortage.
    const bool alone = held.in_use == 1 && !held.resting;
    if (!alone || stripe.map.size() <= kRestingMax / Table::kStripes) {
      if (!held.resting) held.resting = std::make_unique<Resting>();
      held.resting->add(now, ports.rest_of(entry_->first));
    }
  }
  give_back();
}

bool Ports::Share::scarce(Instant now) const {
  Ports& ports = *entry_->second.ports;
  const std::lock_guard lock(ports.table_.of(entry_->first).mutex);
  return uint64_t{4} * ports.taken(*entry_, now) > uint64_t{3} * ports.room();
}

void Ports::Share::give_back() {
  if (!entry_) return;
  Entry& entry = *std::exchange(entry_, nullptr);
  Table::Stripe& stripe = entry.second.ports->table_.of(entry.first);
  const std::lock_guard lock(stripe.mutex);
  PENSTOCK_CHECK(entry.second.in_use > 0);
  if (--entry.second.in_use == 0 && !entry.second.resting) {
    stripe.map.erase(stripe.map.find(entry.first));
  }
}

void Ports::set_room(const PortRoom& room) {
  // A time to rest that has no slots would divide by zero; nothing rests as short as that.
  const auto sensible = [](Duration rest) { return std::max<Duration>(rest, Resting::kLeast); };
  room_.store(room.ports, std::memory_order_relaxed);
  rest_.store(sensible(room.rest), std::memory_order_relaxed);
  rest_on_loopback_.store(sensible(room.rest_on_loopback), std::memory_order_relaxed);
}

std::map<IpAddress, Ports::Count> Ports::counts(Instant now) {
  std::map<IpAddress, Count> out;
  table_.for_each([&](const Key& key, Held& held) {
    Count& count = out[key.source];
    count.in_use += held.in_use;
    count.resting += resting(held, now, rest_of(key));
  });
  return out;
}

Duration Ports::rest_of(const Key& key) const {
  const bool loopback = is_loopback(key.source) || is_loopback(key.to.address);
  return (loopback ? rest_on_loopback_ : rest_).load(std::memory_order_relaxed);
}

uint32_t Ports::resting(Held& held, Instant now, Duration rest) {
  return held.resting ? held.resting->count(now, rest) : 0;
}

uint32_t Ports::taken(Entry& entry, Instant now) const {
  return entry.second.in_use + resting(entry.second, now, rest_of(entry.first));
}

void Ports::tidy(Table::Stripe& stripe, Instant now) const {
  if (now < stripe.tidied + kTidyEvery) return;
  stripe.tidied = now;
  for (auto at = stripe.map.begin(); at != stripe.map.end();) {
    Held& held = at->second;
    if (held.resting && resting(held, now, rest_of(at->first)) == 0) held.resting.reset();
    at = held.in_use == 0 && !held.resting ? stripe.map.erase(at) : std::next(at);
  }
}

}  // namespace penstock::admission
