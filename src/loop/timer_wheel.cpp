#include "loop/timer_wheel.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace penstock::loop {
namespace {

constexpr uint64_t kSlotMask = TimerWheel::kSlots - 1;
constexpr uint64_t kReach = uint64_t{1} << (TimerWheel::kLevels * TimerWheel::kSlotBits);

// The level on which `when` differs from `now` first, seen from the top.
size_t level_of(uint64_t now, uint64_t when) {
  const uint64_t difference = (now ^ when) | kSlotMask;
  return static_cast<size_t>(63 - std::countl_zero(difference)) / TimerWheel::kSlotBits;
}

}  // namespace

void TimerWheel::insert(WheelEntry& entry, uint64_t when) {
  // A tick that has passed, or is passing, is due at the next one.
  when = std::clamp(when, now_ + 1, now_ + kReach / 2);
  entry.unlink();
  entry.when_ = when;
  const size_t level = std::min<size_t>(level_of(now_, when), kLevels - 1);
  const size_t slot = when >> (level * kSlotBits) & kSlotMask;
  levels_[level].slots[slot].push_back(entry);
  levels_[level].occupied |= uint64_t{1} << slot;
}

std::optional<TimerWheel::Expiry> TimerWheel::next_expiry() {
  for (size_t level = 0; level < kLevels; ++level) {
    Level& wheel = levels_[level];
    const size_t shift = level * kSlotBits;
    const auto position = static_cast<int>(now_ >> shift & kSlotMask);
    while (wheel.occupied != 0) {
      const uint64_t ahead = std::rotr(wheel.occupied, position);
      const auto distance = static_cast<uint64_t>(std::countr_zero(ahead));
      const size_t slot = (static_cast<uint64_t>(position) + distance) & kSlotMask;
      if (wheel.slots[slot].empty()) {
        wheel.occupied &= ~(uint64_t{1} << slot);
        continue;
      }
      // The start of that slot. Lower levels are always sooner, so the first find is the answer.
      const uint64_t start = ((now_ >> shift) + distance) << shift;
      return Expiry{level, slot, start};
    }
  }
  return std::nullopt;
}

std::optional<uint64_t> TimerWheel::next() {
  const auto expiry = next_expiry();
  if (!expiry) return std::nullopt;
  return expiry->when;
}

void TimerWheel::collect(uint64_t now, List<WheelEntry>& due) {
  PENSTOCK_CHECK(now >= now_);
  while (const auto expiry = next_expiry()) {
    if (expiry->when > now) break;
    now_ = std::max(now_, expiry->when);
    Level& wheel = levels_[expiry->level];
    List<WheelEntry> entries;
    entries.take_all(wheel.slots[expiry->slot]);
    wheel.occupied &= ~(uint64_t{1} << expiry->slot);
    while (!entries.empty()) {
      WheelEntry& entry = entries.front();
      entry.unlink();
      if (entry.when_ <= now_) {
        due.push_back(entry);
      } else {
        insert(entry, entry.when_);
      }
    }
  }
  now_ = std::max(now_, now);
}

}  // namespace penstock::loop
