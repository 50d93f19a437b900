// How many are in a system, when they came and how long they stayed: everything that Little's law
// (L = lambda W) speaks of, in four counters. The number present is summed up over time by itself,
// so that L is measured and not computed from the other two.
// Thread: one counts, any may read. Each figure is whole; up to now, and in step, they are only on
// the counting thread behind advance().
// Cost: four stores at each arrival and departure, no clock of its own.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"
#include "observe/counter.h"

namespace penstock::observe {

// What a Population has counted since it began; two of them, taken one after the other, say what
// happened in between.
struct Census {
  uint64_t arrivals = 0;
  uint64_t departures = 0;
  uint64_t stayed_ns = 0;    // by those who have left, from arrival to departure
  uint64_t presence_ns = 0;  // the number present, integrated over time

  uint64_t present() const { return arrivals - departures; }

  Census& operator+=(const Census& other) {
    arrivals += other.arrivals;
    departures += other.departures;
    stayed_ns += other.stayed_ns;
    presence_ns += other.presence_ns;
    return *this;
  }
  friend Census operator-(const Census& later, const Census& earlier) {
    return {later.arrivals - earlier.arrivals, later.departures - earlier.departures,
            later.stayed_ns - earlier.stayed_ns, later.presence_ns - earlier.presence_ns};
  }
  friend bool operator==(const Census&, const Census&) = default;
};

class Population {
 public:
  void arrive(Instant now) {
    advance(now);
    arrivals_.add();
  }
  // `arrived`: what arrive() was told.
  void depart(Instant arrived, Instant now) {
    advance(now);
    departures_.add();
    stayed_ns_.add(nanoseconds(arrived, now));
  }
  // Counts the presence of those who are here up to `now`.
  void advance(Instant now) {
    presence_ns_.add(present() * nanoseconds(counted_to_, now));
    counted_to_ = std::max(counted_to_, now);
  }

  // A reader may see a departure before its arrival.
  uint64_t present() const {
    const uint64_t departures = departures_.value();
    return std::max(arrivals_.value(), departures) - departures;
  }
  Census census() const {
    return {arrivals_.value(), departures_.value(), stayed_ns_.value(), presence_ns_.value()};
  }

 private:
  static uint64_t nanoseconds(Instant from, Instant to) {
    return to <= from ? 0 : static_cast<uint64_t>((to - from).count());
  }

  Counter arrivals_;
  Counter departures_;
  Counter stayed_ns_;
  Counter presence_ns_;
  Instant counted_to_{};  // the counting thread only
};

}  // namespace penstock::observe
