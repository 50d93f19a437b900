#include "load/results.h"

#include <algorithm>

namespace penstock::load {

uint64_t Results::error_count() const {
  uint64_t sum = 0;
  for (const auto& [kind, count] : errors) sum += count;
  return sum;
}

void Results::merge(const Results& other) {
  connect.merge(other.connect);
  tls.merge(other.tls);
  setup.merge(other.setup);
  round_trip.merge(other.round_trip);
  stream.merge(other.stream);
  tunnels += other.tunnels;
  finished += other.finished;
  late += other.late;
  bytes_up += other.bytes_up;
  bytes_down += other.bytes_down;
  open_most += other.open_most;
  for (const auto& [kind, count] : other.errors) errors[kind] += count;
  elapsed = std::max(elapsed, other.elapsed);
  cpu += other.cpu;
}

}  // namespace penstock::load
