// Spare connections: connected sockets that nobody has used yet, ready for the next CONNECT to the
// same destination, which then need not wait for a round trip to the origin.
//
// A spare is made only behind a tunnel: to the route that a rule has just allowed and that has just
// been reached. It is handed out only to a connection that brings a route of its own to the same
// endpoint, judged for itself. So a spare opens nothing that the policy does not; all of them go
// when the configuration does. It has never carried a byte, and one that has received a byte, an
// end or a reset is thrown away: nothing of one client, or for it, can reach another.
//
// A spare holds a seat and a port like a connection. There are none where seats, ports or
// memory are short: convenience is the first thing to go.
//
// Thread: the worker's.   Lifetime: the loop, what Means names and the door outlive it.
// Cost: nothing while it is off; otherwise a look-up for each CONNECT, and six system calls and one
// timer for each spare, in a turn behind the tunnel's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>

#include "admission/door.h"
#include "config/config.h"
#include "dial/popular.h"
#include "dial/reach.h"
#include "http/authority.h"
#include "loop/loop.h"
#include "loop/task.h"
#include "policy/decision.h"

namespace penstock::dial {

class Spares {
 public:
  // Of one worker, being dialled or ready.
  static constexpr size_t kSparesMax = 256;

  Spares(loop::Loop& loop, Means means, admission::Door& door, const config::Config& config)
      : loop_(loop), means_(means), door_(door) {
    adopt(config);
  }
  Spares(const Spares&) = delete;
  Spares& operator=(const Spares&) = delete;
  ~Spares() { drop_all(); }

  // All spares go; those that come are made as `config` says.
  void adopt(const config::Config& config);
  // The same, and there are no more: the proxy drains.
  void close();
  // All spares go if seats or memory are short.
  void yield();

  // A spare to the first of `routes` that has one, looked at in this moment: open, and without a
  // byte, an end or a reset to be read. Whoever takes it should not wait before it is used.
  std::optional<Reached> take(std::span<const policy::Route> routes);

  // A CONNECT to `target` has reached `reached`, one of `routes`, by a dial or by a spare: makes up
  // to `dial.spares.each` there if the destination is listed, or popular.
  void follow(const http::Authority& target, std::span<const policy::Route> routes,
              const Reached& reached);

  struct Counts {
    uint64_t ready = 0;    // now
    uint64_t used = 0;     // handed out
    uint64_t expired = 0;  // grew too old, or we needed the room or the configuration changed
    uint64_t closed = 0;   // the origin ended it, or spoke
    uint64_t failed = 0;   // never connected
  };
  const Counts& counts() const { return counts_; }

 private:
  struct Spare {
    policy::Route route;
    admission::Seat seat;
    Reached reached{};  // no stream: it is still being dialled
    loop::RootTask::promise_type* keeper = nullptr;
  };
  using Position = std::list<Spare>::iterator;

  size_t count(const Endpoint& to) const;
  loop::RootTask keep(Position spare);
  Reached remove(Position spare);
  Reached take_from_keeper(Position spare);
  void let_go(Reached reached);
  void drop_all();

  loop::Loop& loop_;
  const Means means_;
  admission::Door& door_;
  bool closed_ = false;
  config::Spares settings_;
  Duration attempt_{};
  Duration patience_{};
  std::unordered_set<std::string> listed_;
  Popular popular_{0};
  Counts counts_;
  std::list<Spare> spares_;  // the oldest first
  loop::TaskSet keepers_;    // last: they end before what they keep
};

}  // namespace penstock::dial
