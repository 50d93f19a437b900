#include "server/worker_thread.h"

#include <fmt/format.h>
#include <pthread.h>

#include <future>
#include <list>

#include "loop/frame.h"
#include "server/listener.h"

namespace penstock::server {
namespace {

// How often tunnels are looked through for what has come due.
constexpr Duration kRound = std::chrono::seconds(1);

loop::RootTask make_rounds(session::Worker& worker) {
  for (;;) {
    co_await loop::SleepUntil(worker.loop(), worker.loop().now() + kRound);
    worker.tend_tunnels();
  }
}

}  // namespace

WorkerThread::WorkerThread(session::Worker::Parts parts, std::vector<ListenSocket> listeners) {
  std::promise<std::shared_ptr<const session::Metrics>> ready;
  auto metrics = ready.get_future();
  loop_.mailbox().post(
      [this, ready = std::move(ready)]() mutable { ready.set_value(worker_->shared_metrics()); });
  thread_ =
      std::thread([this, parts = std::move(parts), listeners = std::move(listeners)]() mutable {
        run(std::move(parts), std::move(listeners));
      });
  metrics_ = metrics.get();
}

WorkerThread::~WorkerThread() {
  if (thread_.joinable()) stop();
}

void WorkerThread::run(session::Worker::Parts parts, std::vector<ListenSocket> listeners) {
  pthread_setname_np(pthread_self(), fmt::format("worker/{}", parts.number).c_str());
  {
    session::Worker worker(loop_, std::move(parts));
    worker_ = &worker;
    loop_.on_stall([&worker](Duration length) {
      worker.trouble().say(
          observe::Level::kWarning,
          fmt::format("worker {} stalled for {} ms: its other connections waited", worker.number(),
                      std::chrono::duration_cast<std::chrono::milliseconds>(length).count()));
    });
    std::list<Listener> accepting;
    for (auto& [fd, place] : listeners) accepting.emplace_back(worker, std::move(fd), place);
    close_listeners_ = [&accepting] {
      for (Listener& listener : accepting) listener.accept_rest();
      accepting.clear();
    };
    loop::TaskSet tasks;
    tasks.start(make_rounds(worker));
    loop_.run();
    close_listeners_ = nullptr;
    accepting.clear();
    worker.end_all(Code::kAborted);
    left_behind_.connections = static_cast<int64_t>(worker.live());
    worker_ = nullptr;
  }
  left_behind_.frames = loop::live_frames();
}

void WorkerThread::post(std::move_only_function<void(session::Worker&)> letter) {
  loop_.mailbox().post([this, letter = std::move(letter)]() mutable {
    if (worker_) letter(*worker_);
  });
}

void WorkerThread::stop_accepting() {
  loop_.mailbox().post([this] {
    if (close_listeners_) close_listeners_();
    if (worker_) worker_->drain();  // what idles holds seats, which it waits for
  });
}

WorkerThread::LeftBehind WorkerThread::stop() {
  loop_.mailbox().post([this] { loop_.stop(); });
  thread_.join();
  return left_behind_;
}

}  // namespace penstock::server
