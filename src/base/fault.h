// A mistake in something a person wrote: where it stands, what was found, what would be right.
// Faults are collected, so that one run of `penstock check` reports them all.
#pragma once

#include <string>
#include <vector>

namespace penstock {

// Where a value stands in its file; lines and columns count from 1, 0 means "no place".
struct Place {
  int line = 0;
  int column = 0;
};

struct Fault {
  Place place;
  std::string message;
};

using Faults = std::vector<Fault>;

// A value and where it came from.
template <class T>
struct Located {
  T value;
  Place place;
};

}  // namespace penstock
