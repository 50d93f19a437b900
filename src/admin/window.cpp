#include "admin/window.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include "plan/erlang.h"

namespace penstock::admin {
namespace {

using observe::Census;
using observe::LittlesLaw;
using session::Sample;

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// Adds up workers. Each has a stretch of its own, so their rates are added and not their counts;
// a mean stay is that of all who left.
class Total {
 public:
  void add(const Census& passed, double over) {
    const LittlesLaw worker = observe::littles_law(passed, over);
    law_.lambda += worker.lambda;
    law_.l += worker.l;
    passed_ += passed;
  }
  LittlesLaw law(double over) const {
    LittlesLaw out = law_;
    out.w = observe::littles_law(passed_, over).w;
    return out;
  }
  uint64_t arrivals() const { return passed_.arrivals; }

 private:
  LittlesLaw law_;
  Census passed_;
};

// The workers are the servers of one queue, and its load is the time that they were busy. Each
// worker has a queue of its own, which waits longer than one queue for all would: this is the
// lower bound (docs/operation.md).
void foresee_waits(Measured& out) {
  plan::Queue queue{.servers = out.utilisation.size()};
  queue.load = std::accumulate(out.utilisation.begin(), out.utilisation.end(), 0.0);
  out.p_wait = queue.wait_probability();
  if (out.set_ups.lambda == 0 || !queue.stable()) return;
  queue.service = queue.load / out.set_ups.lambda;
  out.mean_wait = queue.mean_wait();
}

}  // namespace

double Measured::mean_utilisation() const {
  if (utilisation.empty()) return 0;
  return std::accumulate(utilisation.begin(), utilisation.end(), 0.0) /
         static_cast<double>(utilisation.size());
}

void Window::add(const std::vector<std::optional<Sample>>& answers) {
  std::vector<Sample> next(answers.size());
  for (size_t i = 0; i < answers.size(); ++i) {
    if (answers[i]) {
      next[i] = *answers[i];
    } else if (!samples_.empty()) {
      next[i] = samples_.back()[i];
    } else {
      return;  // there is nothing to begin with
    }
  }
  samples_.push_back(std::move(next));
  if (samples_.size() > kSteps + 1) samples_.pop_front();
}

std::optional<Measured> Window::measured() const {
  if (samples_.size() < 2) return std::nullopt;
  Measured out;
  Total set_ups, tunnels;
  Duration cpu{};
  for (size_t i = 0; i < samples_.front().size(); ++i) {
    const Sample& first = samples_.front()[i];
    const Sample& last = samples_.back()[i];
    const double over = seconds(last.at - first.at);
    out.utilisation.push_back(1);
    if (over <= 0) continue;  // too busy to answer for as long as the window is
    out.seconds = std::max(out.seconds, over);
    set_ups.add(last.set_ups - first.set_ups, over);
    tunnels.add(last.tunnels - first.tunnels, over);
    out.bytes_per_second += static_cast<double>(last.bytes - first.bytes) / over;
    const double busy = static_cast<double>(last.busy_ns - first.busy_ns) * 1e-9;
    out.utilisation.back() = std::min(busy / over, 1.0);
    cpu += last.cpu - first.cpu;
  }
  if (out.seconds == 0) return std::nullopt;
  out.set_ups = set_ups.law(out.seconds);
  out.tunnels = tunnels.law(out.seconds);
  if (set_ups.arrivals() > 0) {
    out.cpu_per_set_up = seconds(cpu) / static_cast<double>(set_ups.arrivals());
  }
  foresee_waits(out);
  return out;
}

}  // namespace penstock::admin
