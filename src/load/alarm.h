// Wakes one coroutine at an instant, to some 50 microseconds: the loop's timers count milliseconds,
// and an open loop that begins each start up to one of them late would measure itself.
// Thread: the loop's.   Cost: a system call per wait, none for an instant that has passed.
#pragma once

#include "base/time.h"
#include "loop/loop.h"
#include "loop/task.h"
#include "sys/fd.h"

namespace penstock::load {

class Alarm {
 public:
  explicit Alarm(loop::Loop& loop);

  // Comes back at `at` or later; at once if that has passed.
  loop::Task<> wait_until(Instant at);

 private:
  loop::Loop& loop_;
  sys::Fd fd_;
  loop::Source source_;
};

}  // namespace penstock::load
