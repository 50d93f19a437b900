// The last ten seconds of all workers, in steps of one: arrivals, stays and presence measured over
// the same stretch of time, so that Little's law can be held against them.
// Thread: its owner's.   Limits: 11 samples per worker, whatever happens.
// No clock of its own: each sample says when it was taken, so a worker that answers late is
// measured over its own stretch.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "observe/littles_law.h"
#include "session/sample.h"

namespace penstock::admin {

// Rates are per second, times are seconds.
struct Measured {
  double seconds = 0;  // how long the window is; less than ten until it has filled
  observe::LittlesLaw set_ups{};
  observe::LittlesLaw tunnels{};
  double bytes_per_second = 0;
  std::vector<double> utilisation{};       // of each worker's loop: not asleep, 0 to 1
  std::optional<double> cpu_per_set_up{};  // all that the workers used, relaying included
  double p_wait = 0;                       // Erlang C: all workers are busy when something comes
  std::optional<double> mean_wait{};       // what it waits then and otherwise, on average
  double mean_utilisation() const;
};

class Window {
 public:
  static constexpr size_t kSteps = 10;

  // One sample of each worker, in the same order each time. A worker without one did not answer,
  // and stands as it last was.
  void add(const std::vector<std::optional<session::Sample>>& answers);

  // Nothing until two samples of each worker are there.
  std::optional<Measured> measured() const;

 private:
  std::deque<std::vector<session::Sample>> samples_;  // oldest first
};

}  // namespace penstock::admin
