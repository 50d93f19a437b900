// The addresses of this machine's interfaces, as last known: what a client reaches there is this
// machine, so no rule for a name may lead to them.
// Thread: one.
#pragma once

#include <vector>

#include "base/ip.h"
#include "sys/process.h"

namespace penstock::server {

class OwnAddresses {
 public:
  // Takes in what the kernel said; true: they are others than before. Where it could not be asked
  // (no descriptor left), what it said before goes on protecting this machine: an empty list would
  // open it.
  bool learn(sys::SysResult<std::vector<IpAddress>> said) {
    if (!said || *said == last_known_) return false;
    last_known_ = *std::move(said);
    return true;
  }

  const std::vector<IpAddress>& last_known() const { return last_known_; }

 private:
  std::vector<IpAddress> last_known_;
};

}  // namespace penstock::server
