// How many wrong credentials each client address has sent of late: guessing passwords is a matter
// of how many may be tried.
// Thread: any.   Cost: a short lock and one look-up.   Limits: kClientsMax addresses, some 2 MiB;
// past that the one that owes least among a few is forgotten.
#pragma once

#include <mutex>
#include <optional>
#include <unordered_map>

#include "admission/gcra.h"
#include "base/ip.h"
#include "base/list.h"
#include "base/time.h"

namespace penstock::identity {

class Attempts {
 public:
  static constexpr size_t kClientsMax = 16'384;

  // One more is to be checked: it counts as wrong until it has been forgiven, so that a burst of
  // guesses is counted while it is still being checked. Refused: how long to wait. `allowed` of
  // none is no limit.
  std::optional<Duration> begin(const admission::Ration& allowed, const IpAddress& client,
                                Instant now);
  // The same, without one more.
  std::optional<Duration> must_wait(const admission::Ration& allowed, const IpAddress& client,
                                    Instant now) const;
  // It was right, or was never checked. Only what was counted is forgiven.
  void forgive(const admission::Ration& allowed, const IpAddress& client);

  size_t clients() const;

 private:
  struct Client : ListNode {
    IpAddress address;
    Instant paid_at{};
  };
  void make_room(Instant now);
  void forget(Client& client);

  mutable std::mutex mutex_;
  std::unordered_map<IpAddress, Client> clients_;  // guarded by mutex_, as is
  List<Client> in_turn_;                           // whoever is looked at next stands first
};

}  // namespace penstock::identity
