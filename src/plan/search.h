// Where a yes becomes a no: the search behind every question that a formula answers backwards.
// Cost: as many calls of `holds` as the answer, or what is left of a double, has bits; twice at
// most. Pure.
#pragma once

#include <algorithm>
#include <cstdint>

namespace penstock::plan {

// The least n from `low` to `high` for which `holds`, which is false up to some n and true from
// there on; `high` if there is none below it. It steps out from `low`, so that what lies near is
// cheap to find.
template <class Predicate>
uint64_t least(uint64_t low, uint64_t high, const Predicate& holds) {
  uint64_t step = 1;
  while (low < high) {
    const uint64_t probe = low + std::min(step, high - low) - 1;
    if (holds(probe)) {
      high = probe;
      break;
    }
    low = probe + 1;
    step *= 2;
  }
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    if (holds(middle)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return high;
}

// The greatest x from 0 to `most` for which `holds`, which is true up to some x and false after it.
template <class Predicate>
double greatest(double most, const Predicate& holds) {
  if (holds(most)) return most;
  double low = 0, high = most;
  for (;;) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) return low;  // no double lies between
    (holds(middle) ? low : high) = middle;
  }
}

}  // namespace penstock::plan
