// Clients that break off the handshake when they are shown a leaf, as programs do that expect one
// certificate and no other. They are counted by client and name, so that the owner sees them, and
// so that a rule may leave them alone (on_pinned).
// Thread: any; a lock.   Cost: bounded: of kMax pairs the one that was seen longest ago goes.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

#include "base/ip.h"
#include "bump/recent.h"

namespace penstock::bump {

class Pinned {
 public:
  static constexpr size_t kMax = 16384;

  // One more handshake that was broken off, or one that was not: then it starts anew. What the
  // count is now.
  uint32_t broke_off(const IpAddress& client, const std::string& name);
  void went_on(const IpAddress& client, const std::string& name);
  uint32_t count(const IpAddress& client, const std::string& name) const;
  size_t size() const;

 private:
  mutable std::mutex mutex_;
  Recent<uint32_t> counts_{kMax};
};

}  // namespace penstock::bump
