#include "load/run.h"

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "load/dialer.h"
#include "load/lane.h"

namespace penstock::load {
namespace {

constexpr auto kProgressEvery = std::chrono::milliseconds(250);
constexpr int kSourcesByDefault = 64;

// The lanes of a run and the thread that called run(), which watches over them.
class Crew {
 public:
  explicit Crew(const Options& options) : options_(options) {
    const int lanes = lanes_for(options);
    for (int i = 0; i < lanes; ++i) {
      lanes_.push_back(std::make_unique<Lane>(options, Lane::Place{i, lanes},
                                              [this](int tunnels) { lane_is_open(tunnels); }));
    }
    snapshots_.resize(lanes_.size());
  }

  Results run(const std::stop_token& stop, const Watching& watching);

 private:
  static int lanes_for(const Options& options) {
    const int threads = std::max(options.threads, 1);
    const bool tunnels_first = options.mode == Mode::kRtt || options.mode == Mode::kIdle;
    if (options.rate > 0 && !tunnels_first) return threads;
    return std::min(threads, std::max(options.connections, 1));  // no lane without a tunnel
  }

  void lane_is_open(int tunnels);  // a lane's thread
  bool wait(const std::stop_token& stop, bool told, const Watching& watching);
  void ask_for_snapshots();
  Results merged_snapshots();

  const Options options_;
  std::vector<std::unique_ptr<Lane>> lanes_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  size_t running_ = 0;              // guarded by mutex_
  size_t open_lanes_ = 0;           // guarded by mutex_
  int open_tunnels_ = 0;            // guarded by mutex_
  bool unsaid_ = false;             // guarded by mutex_: all are open and nobody was told
  std::vector<Results> snapshots_;  // guarded by mutex_
};

void Crew::lane_is_open(int tunnels) {
  {
    const std::lock_guard lock(mutex_);
    open_tunnels_ += tunnels;
    if (++open_lanes_ < lanes_.size()) return;
  }
  const Instant now = Clock::now();
  for (const auto& lane : lanes_) {
    lane->mailbox().post([&lane = *lane, now] { lane.everybody_is_open(now); });
  }
  // Said behind that: whoever hears it may stop the run, and lanes have to know by then.
  const std::lock_guard lock(mutex_);
  unsaid_ = options_.mode == Mode::kIdle;
  changed_.notify_all();
}

void Crew::ask_for_snapshots() {
  for (size_t i = 0; i < lanes_.size(); ++i) {
    lanes_[i]->mailbox().post([this, i] {
      Results found = lanes_[i]->so_far();
      const std::lock_guard lock(mutex_);
      snapshots_[i] = std::move(found);
    });
  }
}

Results Crew::merged_snapshots() {
  Results out;
  const std::lock_guard lock(mutex_);
  for (const Results& snapshot : snapshots_) out.merge(snapshot);
  return out;
}

// True when all lanes have ended. Otherwise the next progress is due, or `stop` was asked for.
bool Crew::wait(const std::stop_token& stop, bool told, const Watching& watching) {
  std::unique_lock lock(mutex_);
  const auto woken = [this] { return running_ == 0 || unsaid_; };
  if (told) {
    changed_.wait_for(lock, kProgressEvery, woken);
  } else {
    changed_.wait_for(lock, stop, kProgressEvery, woken);
  }
  const bool all_ended = running_ == 0;
  if (std::exchange(unsaid_, false) && watching.all_open) {
    const int tunnels = open_tunnels_;
    lock.unlock();
    watching.all_open(tunnels);
  }
  return all_ended;
}

Results Crew::run(const std::stop_token& stop, const Watching& watching) {
  std::vector<std::thread> threads;
  threads.reserve(lanes_.size());
  running_ = lanes_.size();
  for (const auto& lane : lanes_) {
    threads.emplace_back([this, &lane = *lane] {
      lane.run();
      const std::lock_guard lock(mutex_);
      --running_;
      changed_.notify_all();
    });
  }
  bool told = false;
  while (!wait(stop, told, watching)) {
    if (stop.stop_requested() && !told) {
      told = true;
      for (const auto& lane : lanes_) lane->mailbox().post([&lane = *lane] { lane.stop(); });
    }
    if (watching.progress) watching.progress(merged_snapshots());
    ask_for_snapshots();
  }
  for (std::thread& thread : threads) thread.join();
  Results out;
  for (const auto& lane : lanes_) out.merge(lane->so_far());
  return out;
}

}  // namespace

Results run(const Options& options, const std::stop_token& stop, const Watching& watching) {
  Options whole = options;
  if (whole.sources.empty()) {
    const Endpoint next_hop = whole.way == Way::kDirect
                                  ? Endpoint{*whole.target.literal, whole.target.port}
                                  : whole.proxy;
    whole.sources = loopback_sources(next_hop, kSourcesByDefault);
  }
  Crew crew(whole);
  return crew.run(stop, watching);
}

}  // namespace penstock::load
