#include "dns/cache.h"

#include <algorithm>

#include "base/check.h"

namespace penstock::dns {
namespace {

size_t half_of(RecordType type) {
  return type == RecordType::kAaaa ? 1 : 0;
}
size_t width_of(RecordType type) {
  return type == RecordType::kAaaa ? 16 : 4;
}

std::string pack(const std::vector<IpAddress>& addresses, RecordType type) {
  std::string packed;
  packed.reserve(addresses.size() * width_of(type));
  for (const IpAddress& address : addresses) {
    PENSTOCK_CHECK(address.v6 == (type == RecordType::kAaaa));
    packed.append(address.bytes.begin(), address.bytes.begin() + width_of(type));
  }
  return packed;
}

std::vector<IpAddress> unpack(std::string_view packed, RecordType type) {
  std::vector<IpAddress> addresses(packed.size() / width_of(type));
  for (IpAddress& address : addresses) {
    address.v6 = type == RecordType::kAaaa;
    std::copy_n(packed.begin(), width_of(type), address.bytes.begin());
    packed.remove_prefix(width_of(type));
  }
  return addresses;
}

Knowledge knowledge_of(Finding finding) {
  switch (finding) {
    case Finding::kAddresses: return Knowledge::kAddresses;
    case Finding::kNoSuchName: return Knowledge::kNoSuchName;
    case Finding::kNoAddress: return Knowledge::kNoAddress;
    case Finding::kFailed: break;
  }
  return Knowledge::kFailed;
}

Duration lifetime_of(const Reply& reply, const Lifetimes& lifetimes) {
  const Duration allowed = std::chrono::seconds(reply.ttl);
  if (reply.finding == Finding::kAddresses) {
    return std::clamp(allowed, lifetimes.min_ttl, std::max(lifetimes.min_ttl, lifetimes.max_ttl));
  }
  const Duration shortest = std::min(lifetimes.min_ttl, lifetimes.negative_ttl);
  return std::max(std::min(allowed, lifetimes.negative_ttl), shortest);
}

}  // namespace

Outcome Cache::find(std::string_view name, RecordType type, Instant now) {
  const auto found = names_.find(name);
  if (found == names_.end()) return {};
  Entry& entry = found->second;
  by_use_.push_back(entry);
  const Half& half = entry.halves[half_of(type)];
  Outcome outcome;
  if (now < half.expires) {
    outcome.knowledge = half.knowledge;
    outcome.addresses = unpack(half.packed, type);
  } else if (now < half.failed_until) {
    outcome.knowledge = Knowledge::kFailed;
    outcome.failure = half.failure;
  }
  return outcome;
}

Outcome Cache::find_stale(std::string_view name, RecordType type, Instant now) const {
  const auto found = names_.find(name);
  if (found == names_.end()) return {};
  const Half& half = found->second.halves[half_of(type)];
  if (!may_stand_in(half, now)) return {};
  Outcome outcome;
  outcome.knowledge = Knowledge::kAddresses;
  outcome.stale = now >= half.expires;
  outcome.addresses = unpack(half.packed, type);
  return outcome;
}

bool Cache::may_stand_in(const Half& half, Instant now) const {
  return half.knowledge == Knowledge::kAddresses && now < half.expires + lifetimes_.stale;
}

void Cache::store(std::string_view name, RecordType type, const Reply& reply, Instant now) {
  PENSTOCK_CHECK(reply.finding != Finding::kFailed);
  Half* half = touch(name, type);
  if (!half) return;
  half->knowledge = knowledge_of(reply.finding);
  half->expires = now + lifetime_of(reply, lifetimes_);
  half->failed_until = Instant::min();
  half->packed = pack(reply.addresses, type);
}

void Cache::store_failure(std::string_view name, RecordType type, Code failure, Instant now) {
  Half* half = touch(name, type);
  if (!half) return;
  // With something to stand in there is no hurry to ask again, and each try costs a client the
  // whole time limit (the failure recheck timer of RFC 8767 section 5).
  const Duration longest = may_stand_in(*half, now) ? Duration::max() : kFailureTtl;
  half->failure = failure;
  half->failed_until = now + std::min(longest, lifetimes_.negative_ttl);
}

Cache::Half* Cache::touch(std::string_view name, RecordType type) {
  PENSTOCK_CHECK(name.size() <= kNameMax);
  if (entries_ == 0) return nullptr;
  auto found = names_.find(name);
  if (found == names_.end()) {
    if (names_.size() >= entries_) evict();
    found = names_.try_emplace(std::string(name)).first;
    found->second.name = &found->first;
  }
  by_use_.push_back(found->second);
  return &found->second.halves[half_of(type)];
}

void Cache::evict() {
  const auto oldest = names_.find(*by_use_.front().name);
  PENSTOCK_CHECK(oldest != names_.end());
  names_.erase(oldest);
}

void Cache::clear() {
  names_.clear();
}

void Cache::resize(size_t entries, const Lifetimes& lifetimes) {
  entries_ = entries;
  lifetimes_ = lifetimes;
  while (names_.size() > entries_) evict();
}

}  // namespace penstock::dns
