// One thread with its loop, its session::Worker and its listeners. The owner talks to it by
// letters only.
// Thread: the owner's, but where said otherwise.   Lifetime: stop() before destruction.
#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "loop/loop.h"
#include "server/sockets.h"
#include "session/worker.h"

namespace penstock::server {

class WorkerThread {
 public:
  // What was still alive when the thread's worker had been destroyed; anything but 0 is a bug.
  struct LeftBehind {
    int64_t connections = 0;
    int64_t frames = 0;
  };

  WorkerThread(session::Worker::Parts parts, std::vector<ListenSocket> listeners);
  WorkerThread(const WorkerThread&) = delete;
  WorkerThread& operator=(const WorkerThread&) = delete;
  ~WorkerThread();

  // `letter` runs on the worker's thread.
  void post(std::move_only_function<void(session::Worker&)> letter);
  // Takes in whoever waits, closes the listeners, and gives up the spare connections.
  void stop_accepting();
  // Ends what is left, then the thread.
  LeftBehind stop();

  const loop::Loop::Usage& usage() const { return loop_.usage(); }
  std::shared_ptr<const session::Metrics> metrics() const { return metrics_; }

 private:
  void run(session::Worker::Parts parts, std::vector<ListenSocket> listeners);

  loop::Loop loop_;
  session::Worker* worker_ = nullptr;                // the worker's thread only
  std::function<void()> close_listeners_;            // the worker's thread only
  std::shared_ptr<const session::Metrics> metrics_;  // set before the constructor returns
  LeftBehind left_behind_;                           // written before the thread ends
  std::thread thread_;
};

}  // namespace penstock::server
