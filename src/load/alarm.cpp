#include "load/alarm.h"

#include <sys/timerfd.h>

#include "base/check.h"

namespace penstock::load {

Alarm::Alarm(loop::Loop& loop)
    : loop_(loop),
      fd_(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
      source_(loop, fd_.get(), loop::Source::Trigger::kEdge, loop::kReadable) {}

loop::Task<> Alarm::wait_until(Instant at) {
  while (Clock::now() < at) {
    const auto since_boot = at.time_since_epoch();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
    itimerspec spec{};
    spec.it_value.tv_sec = seconds.count();
    spec.it_value.tv_nsec = (since_boot - seconds).count();
    source_.clear(loop::kReadable);  // setting it forgets what has expired, so nobody needs to read
    PENSTOCK_CHECK(::timerfd_settime(fd_.get(), TFD_TIMER_ABSTIME, &spec, nullptr) == 0);
    co_await loop::Wait(loop_).on(source_, loop::kReadable);
  }
}

}  // namespace penstock::load
