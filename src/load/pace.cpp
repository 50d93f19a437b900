#include "load/pace.h"

#include <optional>

namespace penstock::load {
namespace {

using loop::RootTask;
using loop::Task;
using loop::Wait;

// After a unit that failed: a proxy that refuses at once is not to be asked a million times a
// second, and the loop has other things to do.
constexpr Duration kPauseAfterFailure = std::chrono::milliseconds(10);

// Starts that are overdue begin at once, but only so many before others have a turn.
constexpr int kStartsInARow = 32;

class Pacer {
 public:
  Pacer(Lane& lane, Unit unit, AtTheEnd at_the_end)
      : lane_(lane), unit_(unit), at_the_end_(at_the_end), changed_(lane.loop()) {}

  Task<> open_loop() {
    const Instant last = at_the_end_ == AtTheEnd::kCut
                             ? lane_.ends()
                             : deadline_after(lane_.ends(), lane_.options().patience);
    Starts starts(lane_, last);
    while (const auto intended = co_await starts.next()) {
      Results& results = lane_.results_for(*intended);
      if (running_ >= lane_.options().connections_max) ++results.late;
      loop::Timer timer(lane_.loop());
      timer.arm(last);
      while (running_ >= lane_.options().connections_max && !timer.expired()) {
        co_await changed_.wait(timer);
      }
      if (running_ >= lane_.options().connections_max) {
        Lane::count_error(results, kNeverStarted);
        continue;
      }
      tasks_.start(once(*intended));
    }
  }

  void closed_loop() {
    for (int i = 0; i < lane_.options().connections; ++i) tasks_.start(again_and_again());
  }

  Task<> rest() {
    loop::Timer timer(lane_.loop());
    if (at_the_end_ == AtTheEnd::kCut) timer.arm(lane_.ends());
    while (running_ > 0 && !timer.expired()) co_await changed_.wait(timer);
  }

 private:
  RootTask once(Instant intended) {
    ++running_;
    co_await unit_(lane_, intended);
    ended();
  }

  RootTask again_and_again() {
    ++running_;
    for (Instant now = Clock::now(); lane_.take(now); now = Clock::now()) {
      if (co_await unit_(lane_, now)) continue;
      co_await loop::SleepUntil(lane_.loop(), lane_.loop().now() + kPauseAfterFailure);
    }
    ended();
  }

  void ended() {
    --running_;
    changed_.notify_all();
  }

  Lane& lane_;
  const Unit unit_;
  const AtTheEnd at_the_end_;
  loop::Event changed_;
  int running_ = 0;
  loop::TaskSet tasks_;
};

}  // namespace

Starts::Starts(Lane& lane, Instant last)
    : lane_(lane),
      last_(last),
      times_(lane.options().rate, lane.options().arrivals, lane.options().seed,
             static_cast<double>(lane.place().number) / lane.place().of),
      alarm_(lane.loop()) {}

Task<std::optional<Instant>> Starts::next() {
  for (;;) {
    const Instant intended = lane_.began() + times_.next();
    if (!lane_.take(intended)) co_return std::nullopt;
    if (Clock::now() < intended) {
      in_a_row_ = 0;
      co_await alarm_.wait_until(intended);
    } else if (++in_a_row_ % kStartsInARow == 0) {
      co_await Wait(lane_.loop()).soon();
    }
    if (lane_.loop().now() < last_) co_return intended;
    Lane::count_error(lane_.results_for(intended), kNeverStarted);
  }
}

Task<> pace(Lane& lane, Unit unit, AtTheEnd at_the_end) {
  lane.begin(lane.loop().read_clock());
  Pacer pacer(lane, unit, at_the_end);
  if (lane.options().rate > 0) {
    co_await pacer.open_loop();
  } else {
    pacer.closed_loop();
  }
  co_await pacer.rest();
}

}  // namespace penstock::load
