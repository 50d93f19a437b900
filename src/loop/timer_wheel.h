// A hierarchical timer wheel: insert, cancel and fire in O(1), next expiry in O(levels), however
// many timers there are. Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987.
// Pure: it counts ticks and has no clock. Never fires early; fires at most one tick late.
// Thread: one.   Lifetime: an entry unlinks itself when it is destroyed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/list.h"

namespace penstock::loop {

class WheelEntry : public ListNode {
 public:
  uint64_t when() const { return when_; }
  bool fired() const { return fired_; }
  void forget_firing() { fired_ = false; }

 private:
  friend class TimerWheel;
  // In one word: every idle tunnel holds an entry.
  uint64_t when_ : 63 = 0;
  uint64_t fired_ : 1 = false;
};

class TimerWheel {
 public:
  // Six bits per level; with a tick of 1 ms seven levels reach 139 years, so no deadline that a
  // configuration can hold is ever clamped.
  static constexpr int kLevels = 7;
  static constexpr int kSlotBits = 6;
  static constexpr int kSlots = 1 << kSlotBits;

  // Fires at tick `when`, or at the next advance() if that has passed. Re-inserting moves it.
  void insert(WheelEntry& entry, uint64_t when);

  // Moves time forward and calls `fire` for each entry that is due, unlinked; `fire` may insert
  // and destroy entries, itself included.
  template <class Fire>
  void advance(uint64_t now, Fire&& fire) {
    List<WheelEntry> due;
    collect(now, due);
    while (!due.empty()) {
      WheelEntry& entry = due.front();
      entry.unlink();
      entry.fired_ = true;
      fire(entry);
    }
  }

  // The tick by which advance() wants to be called: an entry's, or earlier where entries have to
  // come down a level first. Empty: there is nothing to wait for.
  std::optional<uint64_t> next();

  uint64_t now() const { return now_; }

 private:
  struct Level {
    uint64_t occupied = 0;  // may claim a slot whose entries have unlinked themselves since
    std::array<List<WheelEntry>, kSlots> slots;
  };
  struct Expiry {
    size_t level;
    size_t slot;
    uint64_t when;
  };

  std::optional<Expiry> next_expiry();
  void collect(uint64_t now, List<WheelEntry>& due);

  uint64_t now_ = 0;
  std::array<Level, kLevels> levels_;
};

}  // namespace penstock::loop
