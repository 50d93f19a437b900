#include "load/stop_on_signal.h"

#include <cstdlib>

#include "base/check.h"

namespace penstock::load {
namespace {

constexpr int kEndedBySignal = 130;  // as shells say it of SIGINT

sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

StopOnSignal::StopOnSignal() {
  const sigset_t set = ending_signals();
  PENSTOCK_CHECK(pthread_sigmask(SIG_BLOCK, &set, &before_) == 0);
  watcher_ = std::jthread([this] { watch(); });
}

StopOnSignal::~StopOnSignal() {
  over_ = true;
  // To this thread alone, which is the only one that waits for it.
  PENSTOCK_CHECK(pthread_kill(watcher_.native_handle(), SIGINT) == 0);
  watcher_.join();
  PENSTOCK_CHECK(pthread_sigmask(SIG_SETMASK, &before_, nullptr) == 0);
}

void StopOnSignal::watch() {
  const sigset_t set = ending_signals();
  for (;;) {
    int signal = 0;
    PENSTOCK_CHECK(sigwait(&set, &signal) == 0);
    if (over_) return;
    if (stop_.stop_requested()) std::_Exit(kEndedBySignal);
    stop_.request_stop();
  }
}

}  // namespace penstock::load
