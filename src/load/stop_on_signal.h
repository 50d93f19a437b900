// Turns SIGINT and SIGTERM into a stop request, so that a run ends early with what it has measured.
// A second signal ends the process at once, for whoever does not want to wait.
// Thread: made before any thread that must not be interrupted, since those inherit the blocked
// signals. Lifetime: the mask is restored at the end; one at a time.
#pragma once

#include <atomic>
#include <csignal>
#include <stop_token>
#include <thread>

namespace penstock::load {

class StopOnSignal {
 public:
  StopOnSignal();
  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;
  ~StopOnSignal();

  std::stop_token token() const { return stop_.get_token(); }
  bool signalled() const { return stop_.stop_requested(); }

 private:
  void watch();

  sigset_t before_{};
  std::stop_source stop_;
  std::atomic<bool> over_ = false;
  std::jthread watcher_;  // the last: it uses the others
};

}  // namespace penstock::load
