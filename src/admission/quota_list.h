// The quotas as they are configured: which one an asker falls under, and what it allows. The first
// that matches decides; who matches none falls under `limits.tunnels_per_client`.
// Thread: any, once compiled.   Lifetime: quotas live as long as their list.
// Cost: one look at clients and identities per quota, until one matches.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "admission/gcra.h"
#include "base/fault.h"
#include "policy/askers.h"

namespace penstock::admission {

// For whom it is counted: each client (an IPv4 address, or the /64 of an IPv6 address), each
// identity, or all together who fall under the quota.
enum class Each : uint8_t { kClient, kIdentity, kQuota };

// 0: no limit.
struct QuotaLimits {
  uint64_t tunnels = 0;  // at one time
  Ration setups;
  uint64_t burst = 0;  // set-ups at once after a silence; 0: as many as the rate's interval allows
  Ration bytes;        // both directions together
  bool bytes_end_tunnels = false;
  uint64_t bandwidth = 0;  // bytes per second, each direction

  friend bool operator==(const QuotaLimits&, const QuotaLimits&) = default;
};

// A quota as it was written; it has at least one limit.
struct QuotaSpec {
  Place place;
  std::string name;
  policy::LocatedWords clients;
  policy::LocatedWords identities;
  policy::LocatedWords groups;
  Each each = Each::kClient;
  QuotaLimits limits;
};

struct Quota {
  std::string name;
  Place place;
  Each each;
  QuotaLimits limits;
  policy::Askers askers;
};

class QuotaList {
 public:
  // The name of what `limits.tunnels_per_client` makes.
  static constexpr std::string_view kFallback = "limits.tunnels_per_client";

  // Everything that is wrong with `specs`, or the list. `tunnels_per_client` may be 0: none.
  static std::expected<QuotaList, Faults> compile(const std::vector<QuotaSpec>& specs,
                                                  uint64_t tunnels_per_client);

  QuotaList() = default;

  // Null: nothing limits this asker.
  const Quota* find(const policy::Asker& asker) const;

  size_t size() const { return quotas_.size(); }

 private:
  std::vector<Quota> quotas_;
};

}  // namespace penstock::admission
