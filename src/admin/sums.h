// Counters of all workers, added up.
#pragma once

#include <cstdint>

#include "admin/controls.h"

namespace penstock::admin {

inline uint64_t sum(const Snapshot& snapshot, observe::Counter session::Metrics::* member) {
  uint64_t total = 0;
  for (const auto& worker : snapshot.workers) total += ((*worker.metrics).*member).value();
  return total;
}

// Of the counter that `pick` finds in a worker's metrics.
template <class Pick>
uint64_t sum_of(const Snapshot& snapshot, Pick pick) {
  uint64_t total = 0;
  for (const auto& worker : snapshot.workers) total += pick(*worker.metrics).value();
  return total;
}

}  // namespace penstock::admin
