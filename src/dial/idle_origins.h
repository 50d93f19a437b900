// Connections to origins between two forwarded requests. One is handed out only to a connection
// that asks for the same authority and brings a route of its own to the same endpoint, judged for
// itself: what the policy or DNS no longer leads to is not reached by what was open before. All of
// them go when the configuration does.
//
// Each holds a seat and a port like a connection, and there are none where seats or memory are
// short. One that has received a byte, an end or a reset while it was idle is thrown away: whatever
// came belongs to nobody's request.
//
// Thread: the worker's.   Lifetime: the loop and the door outlive it.
// Cost: one timer each, and a walk over those that there are to take one.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>

#include "admission/door.h"
#include "dial/reach.h"
#include "http/authority.h"
#include "loop/loop.h"
#include "loop/task.h"
#include "policy/decision.h"

namespace penstock::dial {

class IdleOrigins {
 public:
  // Of one worker, and of them to one authority.
  static constexpr size_t kMax = 256;
  static constexpr size_t kMaxEach = 16;
  // Less than the five seconds after which many servers give up: those who are slower than their
  // client would meet a FIN on its way.
  static constexpr Duration kAge = std::chrono::seconds(4);

  IdleOrigins(loop::Loop& loop, admission::Door& door) : loop_(loop), door_(door) {}
  IdleOrigins(const IdleOrigins&) = delete;
  IdleOrigins& operator=(const IdleOrigins&) = delete;
  ~IdleOrigins() { drop_all(); }

  // By what an origin was found to be itself, in TLS: only who goes by the same may have its
  // connection. Null: nobody looked.
  using Trust = std::shared_ptr<const void>;

  // `reached` has carried requests to `target` and owes nothing. Closed instead where there is no
  // room.
  void keep(const http::Authority& target, Reached reached, Trust trust);
  // The one that was used last to `target` by one of `routes`, looked at in this moment. Whoever
  // takes it should not wait before it is used.
  std::optional<Reached> take(const http::Authority& target, std::span<const policy::Route> routes,
                              const Trust& trust);

  // All of them go; with close() for good.
  void drop_all();
  void close();
  // The same if seats or memory are short.
  void yield();

  size_t size() const { return idle_.size(); }
  uint64_t reused() const { return reused_; }

 private:
  struct Idle {
    http::Authority target;
    admission::Seat seat;
    Reached reached;
    Trust trust;
    loop::RootTask::promise_type* keeper = nullptr;
  };
  using Position = std::list<Idle>::iterator;

  bool has_room(const http::Authority& target);
  loop::RootTask watch(Position idle);
  Reached take_from_keeper(Position idle);

  loop::Loop& loop_;
  admission::Door& door_;
  bool closed_ = false;
  uint64_t reused_ = 0;
  std::list<Idle> idle_;   // the one used last at the front
  loop::TaskSet keepers_;  // last: they end before what they keep
};

}  // namespace penstock::dial
