// idle: opens tunnels, holds them, and looks whether each still works. Also opens those of rtt.
#include <algorithm>
#include <vector>

#include "load/modes.h"

namespace penstock::load {
namespace {

using loop::RootTask;
using loop::Task;
using loop::TaskSet;
using loop::Timer;

// Connections that are being set up at one time, per lane: fewer than the smallest backlog that a
// listener is likely to have, since a SYN that is dropped comes again after a second.
constexpr int kOpeningAtOnce = 100;

class Opening {
 public:
  Opening(Lane& lane, int count) : lane_(lane), left_(count), ended_(lane.loop()) {}

  Task<std::vector<Tunnel>> open() {
    TaskSet tasks;
    const int at_once = std::min(left_, kOpeningAtOnce);
    for (int i = 0; i < at_once; ++i) tasks.start(open_some());
    while (running_ > 0) co_await ended_.wait();
    co_return std::move(tunnels_);
  }

 private:
  RootTask open_some() {
    ++running_;
    while (left_ > 0) {
      --left_;
      co_await open_one();
    }
    --running_;
    ended_.notify_all();
  }

  Task<> open_one() {
    // The tunnels are what is measured, whenever the time begins to run.
    Results& results = lane_.results_of_opening();
    const Instant from = Clock::now();
    Timer timer(lane_.loop());
    timer.arm(lane_.patience_ends());
    auto tunnel = co_await open_tunnel(lane_, results, from, timer);
    if (!tunnel) {
      Lane::count_error(results, tunnel.error());
      co_return;
    }
    const Failure failure = co_await echo_first_byte(lane_, *tunnel, results, from, timer);
    if (succeeded(results, failure)) tunnels_.push_back(std::move(*tunnel));
  }

  Lane& lane_;
  int left_;
  int running_ = 0;
  loop::Event ended_;
  std::vector<Tunnel> tunnels_;
};

// Sends a byte through each tunnel and gets it back, all at the same time, and closes them.
class Check {
 public:
  explicit Check(Lane& lane) : lane_(lane), ended_(lane.loop()) {}

  Task<> look_at(std::vector<Tunnel>& tunnels) {
    TaskSet tasks;
    for (Tunnel& tunnel : tunnels) tasks.start(look_at_one(tunnel));
    while (running_ > 0) co_await ended_.wait();
  }

 private:
  RootTask look_at_one(Tunnel& tunnel) {
    ++running_;
    Timer timer(lane_.loop());
    timer.arm(lane_.patience_ends());
    Failure failure = co_await echo(lane_, tunnel, 1, 1, timer);
    if (!failure) failure = co_await close_tunnel(lane_, tunnel, timer);
    Results& results = lane_.results_of_opening();
    if (succeeded(results, failure)) ++results.finished;
    --running_;
    ended_.notify_all();
  }

  Lane& lane_;
  int running_ = 0;
  loop::Event ended_;
};

}  // namespace

Task<std::vector<Tunnel>> open_tunnels(Lane& lane, int count) {
  Opening opening(lane, count);
  co_return co_await opening.open();
}

Task<> run_idle(Lane& lane) {
  auto tunnels = co_await open_tunnels(lane, lane.options().connections);
  co_await lane.wait_for_the_others(static_cast<int>(tunnels.size()));
  co_await lane.wait_until(lane.ends());
  Check check(lane);
  co_await check.look_at(tunnels);
}

}  // namespace penstock::load
