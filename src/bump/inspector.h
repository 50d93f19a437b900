// All that inspecting tunnels takes, for one configuration: who makes the certificates that clients
// are shown, how origins and clients are spoken to, and which clients do not put up with it.
// Thread: made on any, used by all.   Lifetime: a Situation's; what is pinned outlives it.
#pragma once

#include <expected>
#include <memory>

#include "base/fault.h"
#include "bump/clients.h"
#include "bump/mint.h"
#include "bump/origins.h"
#include "bump/pinned.h"
#include "config/config.h"

namespace penstock::bump {

struct Inspector {
  std::shared_ptr<Mint> mint;
  OriginsPtr origins;
  std::shared_ptr<const Clients> clients;
  std::shared_ptr<Pinned> pinned;
};
using InspectorPtr = std::shared_ptr<const Inspector>;

// For `config`; null where no rule may inspect. Or all that is wrong with its files. Starts the key
// keeper.
std::expected<InspectorPtr, Faults> open_inspector(const config::Config& config,
                                                   std::shared_ptr<Pinned> pinned,
                                                   Faults* warnings);

}  // namespace penstock::bump
