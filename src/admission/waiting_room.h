// A short queue, fair between clients, that knows when it is overloaded.
//
// Order: clients take turns, however many of their set-ups wait; within a client the oldest goes
// first. A queue that only absorbs a burst empties; one in which for a whole interval everybody
// waited longer than the target is standing (K. Nichols and V. Jacobson, Controlling Queue Delay,
// 2012), and each of its places is worth nothing: who is served waited nearly as long as he was
// ready to. Then the newest goes first and those who have waited an interval are sent away (B.
// Maurer, Fail at Scale, 2015), so that most of those who are served are served quickly.
//
// It bounds nothing: who may enter, and how many, is its owner's business.
// Pure, intrusive: a Ticket belongs to who waits and leaves by being destroyed.
// Thread: whoever guards it.   Cost: a hash look-up for each who enters; the rest are list moves.
#pragma once

#include <cstddef>
#include <unordered_map>

#include "base/ip.h"
#include "base/list.h"
#include "base/time.h"

namespace penstock::admission {

struct WaitingSettings {
  Duration patience = std::chrono::milliseconds(500);  // timeouts.queue

  // A wait below the target is good; a standing queue is told from a burst after an interval. Both
  // go with the patience, in CoDel's proportion of a twentieth; without one (0), as by default.
  Duration target() const { return scale() / 20; }
  Duration interval() const { return scale() / 5; }

 private:
  Duration scale() const {
    return patience > Duration::zero() ? patience : WaitingSettings().patience;
  }
};

class WaitingRoom {
  struct Lane;

 public:
  // A place in one room at most.
  class Ticket : private ListNode {
   public:
    Instant entered() const { return entered_; }
    bool waiting() const { return lane_ != nullptr; }

   private:
    friend class WaitingRoom;
    friend class List<Ticket>;
    struct Age : ListNode {
      explicit Age(Ticket& owner) : ticket(owner) {}
      Ticket& ticket;
    };
    Age age_{*this};
    Lane* lane_ = nullptr;
    Instant entered_{};
  };

  WaitingRoom() = default;
  WaitingRoom(const WaitingRoom&) = delete;
  WaitingRoom& operator=(const WaitingRoom&) = delete;

  void enter(const WaitingSettings& settings, Ticket& ticket, const IpAddress& client, Instant now);
  void leave(Ticket& ticket);

  // Whoever has waited longest, out of the room; null: nobody waits.
  Ticket* oldest();
  // Whose turn it is, out of the room; null: nobody waits.
  Ticket* next(const WaitingSettings& settings, Instant now);
  // One who is to be sent away because the queue stands, out of the room; null: nobody.
  Ticket* next_stale(const WaitingSettings& settings, Instant now);

  size_t size() const { return size_; }
  bool overloaded() const { return overloaded_; }

 private:
  struct Lane : ListNode {
    explicit Lane(const IpAddress& of) : client(of) {}
    const IpAddress client;
    List<Ticket> tickets;  // the oldest first
  };

  void judge(const WaitingSettings& settings, Duration waited, Instant now);

  std::unordered_map<IpAddress, Lane> lanes_;
  List<Lane> turns_;        // of clients; the front is next
  List<Ticket::Age> ages_;  // all tickets, the oldest first
  size_t size_ = 0;
  Instant below_target_{};  // the last time that somebody had a good wait, or nobody waited
  bool overloaded_ = false;
};

}  // namespace penstock::admission
