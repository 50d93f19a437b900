// Who may come in: seats for connections, permits for pending set-ups, shares for clients. Asked
// before DNS and connect, since those are what overload breaks first. Today every answer comes at
// once; a queue, breakers and adaptive limits belong here, behind admit().
// Thread: any.   Lifetime: outlives every Seat, ClientShare and Permit.
#pragma once

#include <cstdint>
#include <string>

#include "admission/budget.h"
#include "base/error.h"
#include "base/ip.h"
#include "http/authority.h"

namespace penstock::admission {

// The limits in force; 0 means "none".
struct DoorLimits {
  uint64_t seats = 0;
  uint64_t tunnels_per_client = 0;
  uint64_t pending = 0;
  uint64_t pending_per_destination = 0;
};

// A connection's place, from accept to settle.
using Seat = Budget::Share;
// A client's place among its own tunnels, from admit to settle.
using ClientShare = KeyedBudget<IpAddress>::Share;

// The right to set one tunnel up, from admit until it is established or fails.
class [[nodiscard]] Permit {
 public:
  Permit() = default;

 private:
  friend class Door;
  Budget::Share pending_;
  KeyedBudget<std::string>::Share destination_;
};

class Door {
 public:
  explicit Door(const DoorLimits& limits)
      : seats_(limits.seats), pending_(limits.pending), limits_(limits) {}

  // Empty: every seat is taken.
  Seat take_seat() { return seats_.take(); }

  // kClientBusy when this client has as many tunnels as it may. An IPv6 client is its /64, which is
  // what one host may choose addresses from.
  Result<ClientShare> admit_client(const IpAddress& client);

  // kNoPermit, or kDestinationBusy.
  Result<Permit> admit(const http::Authority& target);

  // New limits hold for those who come next; nobody is sent away.
  void set_limits(const DoorLimits& limits);

  // While memory is short, whoever comes is refused, by whoever sees it first.
  void set_memory_short(bool is_short) { memory_short_.store(is_short, std::memory_order_relaxed); }
  bool memory_short() const { return memory_short_.load(std::memory_order_relaxed); }

  uint64_t seats_taken() const { return seats_.in_use(); }
  uint64_t seats() const { return seats_.limit(); }
  uint64_t pending() const { return pending_.in_use(); }

 private:
  Budget seats_;
  Budget pending_;
  KeyedBudget<IpAddress> clients_;
  KeyedBudget<std::string> destinations_;
  std::atomic<bool> memory_short_{false};
  struct AtomicLimits {
    explicit AtomicLimits(const DoorLimits& limits)
        : per_client(limits.tunnels_per_client), per_destination(limits.pending_per_destination) {}
    std::atomic<uint64_t> per_client;
    std::atomic<uint64_t> per_destination;
  };
  AtomicLimits limits_;
};

}  // namespace penstock::admission
