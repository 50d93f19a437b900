// Who may come in: seats for connections, and permits for pending set-ups. What one client may have
// is in quotas.h. A permit is asked for before DNS and connect, since those are what overload
// breaks first.
//
// A set-up takes a place at its destination, then one among all that are pending; where there is
// none it waits, for a short time, in a queue that is fair between clients:
//
//   breaker of the destination -> its adaptive limit -> all that may be pending -> permit
//                                 (its waiting room)    (the hall)
//
// The places at a destination are a bulkhead: however slow it gets, it holds no more of the permits
// of all than the owner allows one; and once half of all are taken, no more than its adaptive
// limit, which shrinks while it is slow.
//
// Pure: it takes the time as an argument, and calls whoever waits by a function that is given.
// Thread: any. One lock, held for less than 1 us, twice for each set-up (door_bench.cpp).
// Lifetime: outlives every Seat and Permit.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "admission/breaker.h"
#include "admission/budget.h"
#include "admission/denial.h"
#include "admission/destination.h"
#include "admission/limit.h"
#include "admission/waiting_room.h"
#include "base/error.h"
#include "base/ip.h"
#include "base/list.h"
#include "http/authority.h"

namespace penstock::admission {

// The limits in force; a count of 0 means "none", but for `queue`: nobody waits.
struct DoorLimits {
  uint64_t seats = 0;
  uint64_t pending = 0;
  LimitSettings destination = {};
  uint64_t queue = 0;
  WaitingSettings waiting = {};
  BreakerSettings breaker = {};
};

// A connection's place, from accept to settle.
using Seat = Budget::Share;

class Door {
 public:
  // The right to set one tunnel up: asked for, perhaps waited for, held, and given back. Destroying
  // it gives back whatever it has at that time.
  class Permit;

  explicit Door(const DoorLimits& limits);

  // Empty: every seat is taken.
  Seat take_seat() { return seats_.take(); }

  // New limits hold for those who come next; nobody is sent away.
  void set_limits(const DoorLimits& limits, Instant now);

  // While memory is short, whoever comes is refused, by whoever sees it first.
  void set_memory_short(bool is_short) { memory_short_.store(is_short, std::memory_order_relaxed); }
  bool memory_short() const { return memory_short_.load(std::memory_order_relaxed); }

  // Room is short: whatever is held for convenience goes first.
  bool crowded() const {
    return memory_short() || (seats() != 0 && seats_taken() > seats() / 4 * 3);
  }
  uint64_t seats_taken() const { return seats_.in_use(); }
  uint64_t seats() const { return seats_.limit(); }

  // What the admin page shows.
  struct Facts {
    uint64_t pending = 0;
    uint64_t waiting = 0;
    uint64_t pending_limit = 0;
    uint64_t destination_limit = 0;
    uint64_t queue_limit = 0;
    uint64_t destinations = 0;  // remembered
    uint64_t breakers_open = 0;
    uint64_t breakers_half_open = 0;
    uint64_t breakers_opened = 0;  // ever
    bool overloaded = false;       // the hall's queue stands
  };
  Facts facts(Instant now) const;
  uint64_t pending() const;

  struct DestinationFacts {
    std::string authority;
    uint64_t pending = 0;
    uint64_t waiting = 0;
    uint64_t limit = 0;          // as learned; it binds once half of all permits are taken
    double setup_seconds = 0;    // recent W; 0: none measured
    double no_load_seconds = 0;  // likewise
    Breaker::State breaker = Breaker::State::kClosed;
    std::optional<Code> cause;
  };
  // Those that are not well first, then those with most pending; at most `most`.
  std::vector<DestinationFacts> destinations(Instant now, size_t most) const;

  // Destinations that are remembered while nobody is on the way to them: what was learned of them
  // would be lost, and strangers must not make the memory grow.
  static constexpr size_t kRemembered = 4096;
  // Retry-After is never longer: what was measured a minute ago says nothing of the next one.
  static constexpr Duration kRetryMax = std::chrono::seconds(30);

 private:
  // Each of these is called under the lock.
  Destination& destination(const std::string& authority);
  void rest(Destination& at);
  uint64_t limit_of(Destination& at, Instant now) const;
  bool may_wait(const IpAddress& client) const;
  void starts_waiting(const IpAddress& client);
  void stops_waiting(const IpAddress& client);
  void admit(Permit& permit, Instant now);
  bool hall_is_open() const;
  void enter_hall(Permit& permit, Instant now);
  void grant(Permit& permit, Instant now);
  void refuse(Permit& permit, const Denial& denial);
  void give_back(Permit& permit);
  void serve(Destination& at, Instant now);
  void fill(Destination& at, Instant now);
  void send_stale_away(Destination& at, Instant now);
  void turn_away(Destination& at, Instant now);
  void learn_time(Destination& at, Duration w, std::optional<Code> error, Instant now);
  Breaker::Change learn_health(Destination& at, Breaker::Pass pass, std::optional<Code> error,
                               Instant now);
  Denial no_permit(Instant now);
  static Denial no_place(Destination& at, Instant now);
  static Denial breaker_denial(const Destination& at, Instant now);
  static Duration drained_in(const WaitingRoom& room, Rate& rate, Instant now);

  Budget seats_;
  std::atomic<bool> memory_short_{false};

  mutable std::mutex mutex_;  // guards all that follows
  DoorLimits limits_;
  std::unordered_map<std::string, Destination> destinations_;
  List<Destination> idle_;  // nobody is on the way to them; the one used longest ago first
  size_t idle_count_ = 0;
  WaitingRoom hall_;
  Rate given_back_;
  std::unordered_map<IpAddress, uint64_t> waiting_by_client_;
  uint64_t pending_ = 0;
  uint64_t waiting_ = 0;
  uint64_t breakers_opened_ = 0;
  Instant latest_{};  // of the times that were given: for one who goes without a word
};

// Thread: its owner's, but `called`.   Lifetime: shorter than the Door's.
class Door::Permit : private WaitingRoom::Ticket {
 public:
  enum class State : uint8_t { kNone, kAtDestination, kInHall, kHeld, kRefused };

  explicit Permit(Door& door) : door_(door) {}
  Permit(const Permit&) = delete;
  Permit& operator=(const Permit&) = delete;
  ~Permit();

  // Held, refused, or waiting. Once.
  State ask(const http::Authority& target, const IpAddress& client, Instant now);
  // For one who waits: `called` will run once, on any thread and under the door's lock, when that
  // is over; it may post a letter and nothing else. False: it is over already.
  bool call_me(std::move_only_function<void()> called);
  State state() const;
  // It waits no longer: refused, unless it was granted meanwhile.
  State give_up(Instant now);
  // Of one that was refused.
  const Denial& denial() const { return denial_; }

  // The set-up has ended after `w` of resolve and dial; no error: the origin is connected. Gives
  // the permit back. What became of the destination's breaker by it.
  Breaker::Change settle(Duration w, std::optional<Code> error, Instant now);

 private:
  friend class Door;
  Door& door_;
  Destination* at_ = nullptr;  // while it has, or waits for, a place there
  IpAddress client_;
  std::move_only_function<void()> called_;
  Denial denial_{};
  State state_ = State::kNone;
  Breaker::Pass pass_ = Breaker::Pass::kGranted;
};

using Permit = Door::Permit;

}  // namespace penstock::admission
