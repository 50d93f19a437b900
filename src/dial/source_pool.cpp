#include "dial/source_pool.h"

#include <algorithm>

namespace penstock::dial {

SourcePool::SourcePool(const std::vector<IpAddress>& addresses) {
  for (const IpAddress& address : addresses) {
    (address.v6 ? v6_ : v4_).addresses.push_back(address);
  }
}

size_t SourcePool::choices(bool v6) const {
  return std::max<size_t>((v6 ? v6_ : v4_).addresses.size(), 1);
}

std::optional<IpAddress> SourcePool::next(bool v6) {
  Turns& turns = v6 ? v6_ : v4_;
  if (turns.addresses.empty()) return std::nullopt;
  const IpAddress address = turns.addresses[turns.next];
  turns.next = (turns.next + 1) % turns.addresses.size();
  return address;
}

}  // namespace penstock::dial
