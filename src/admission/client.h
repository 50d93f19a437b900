// Who counts as one client.
#pragma once

#include <algorithm>

#include "base/ip.h"
#include "policy/address_class.h"

namespace penstock::admission {

// An IPv6 client is its /64, which is what one host may choose addresses from; but for an IPv4
// client behind a v6 socket, all of whom would be one.
inline IpAddress accountable(const IpAddress& client) {
  if (const auto v4 = policy::mapped_v4(client)) return *v4;
  constexpr size_t kSubnetBytes = 8;
  IpAddress out = client;
  if (out.v6) std::fill(out.bytes.begin() + kSubnetBytes, out.bytes.end(), uint8_t{0});
  return out;
}

}  // namespace penstock::admission
