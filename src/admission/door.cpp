#include "admission/door.h"

#include <algorithm>

namespace penstock::admission {
namespace {

constexpr ptrdiff_t kSubnetBytes = 8;

IpAddress accountable(IpAddress client) {
  if (client.v6) std::fill(client.bytes.begin() + kSubnetBytes, client.bytes.end(), uint8_t{0});
  return client;
}

}  // namespace

Result<ClientShare> Door::admit_client(const IpAddress& client) {
  const uint64_t limit = limits_.per_client.load(std::memory_order_relaxed);
  if (limit == 0) return ClientShare();
  ClientShare share = clients_.take(accountable(client), limit);
  if (!share) return fail(Code::kClientBusy);
  return share;
}

Result<Permit> Door::admit(const http::Authority& target) {
  Permit permit;
  permit.pending_ = pending_.take();
  if (!permit.pending_) return fail(Code::kNoPermit);
  const uint64_t limit = limits_.per_destination.load(std::memory_order_relaxed);
  if (limit == 0) return permit;
  permit.destination_ = destinations_.take(target.text(), limit);
  if (!permit.destination_) return fail(Code::kDestinationBusy);
  return permit;
}

void Door::set_limits(const DoorLimits& limits) {
  seats_.set_limit(limits.seats);
  pending_.set_limit(limits.pending);
  limits_.per_client.store(limits.tunnels_per_client, std::memory_order_relaxed);
  limits_.per_destination.store(limits.pending_per_destination, std::memory_order_relaxed);
}

}  // namespace penstock::admission
