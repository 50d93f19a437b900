// One thread of a load run: its loop, its share of the options, what it has found, and when what
// counts begins and ends. The coroutines of the modes stand on it.
// Thread: its own, but where said otherwise.   Lifetime: longer than its thread.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "load/blend.h"
#include "load/options.h"
#include "load/pattern.h"
#include "load/results.h"
#include "load/tls_session.h"
#include "load/wire.h"
#include "loop/loop.h"
#include "loop/task.h"

namespace penstock::load {

class Lane {
 public:
  struct Place {
    int number = 0;  // from 0
    int of = 1;
  };
  // Called on this lane's thread when as many of its tunnels are open as can be; whoever calls
  // everybody_is_open() on all lanes, once all have said so, is not the lane's business.
  using Opened = std::function<void(int tunnels)>;

  Lane(const Options& whole, Place place, Opened opened);
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // Does its share of the run, and returns.
  void run();

  // Any thread, while run() runs or before it.
  loop::Mailbox& mailbox() { return loop_.mailbox(); }

  // By letter only:
  void everybody_is_open(Instant now);
  // Ends what goes on, uncounted. An idle run checks its tunnels and then ends.
  void stop();
  Results so_far() const;

  // For the modes.
  loop::Loop& loop() { return loop_; }
  const Options& options() const { return options_; }
  const Place& place() const { return place_; }
  const TlsContext* tls() const { return tls_ ? &*tls_ : nullptr; }
  const std::string& request() const { return request_; }
  const Endpoint& next_hop() const { return next_hop_; }
  std::optional<IpAddress> next_source();
  Blend& blend() { return blend_; }
  // Bytes that are looked at before the coroutine that read them waits for anything.
  std::span<uint8_t> scratch() { return *scratch_; }
  // How long one tunnel, ping, or silence may last from now on.
  Instant patience_ends() const { return deadline_after(loop_.now(), options_.patience); }

  // From here the time runs, with the warm-up first.
  void begin(Instant now);
  Instant began() const { return began_; }
  Instant ends() const { return ends_; }
  bool stopping() const { return stopping_; }

  // May a unit of work begin that is intended for `intended`? It takes one off `count`.
  bool take(Instant intended);
  // Where that unit's numbers go: what begins in the warm-up is not counted.
  Results& results_for(Instant intended) { return intended < counted_from_ ? warm_up_ : results_; }
  // Of tunnels that are opened before the time begins to run, and counted nevertheless.
  Results& results_of_opening() { return results_; }
  // What ends now rather than what begins: bytes in flight.
  bool counting() const { return began_ == Instant{} || loop_.now() >= counted_from_; }
  void moved_up(uint64_t bytes) { (counting() ? results_ : warm_up_).bytes_up += bytes; }
  void moved_down(uint64_t bytes) { (counting() ? results_ : warm_up_).bytes_down += bytes; }
  // Kinds beyond a bound are counted together: a proxy that makes them up must not fill memory.
  static void count_error(Results& results, const std::string& kind);

  void tunnel_opened();
  void tunnel_closed() { --open_; }

  // All of `tunnels` are open: waits until those of every lane are, and begins.
  loop::Task<> wait_for_the_others(int tunnels);
  // Until `at` or stop().
  loop::Task<> wait_until(Instant at);

 private:
  loop::RootTask drive();

  const Options options_;
  const Place place_;
  const Opened opened_;
  const Endpoint next_hop_;
  const std::string request_;
  std::optional<TlsContext> tls_;
  std::unique_ptr<std::array<uint8_t, Pattern::kPiece>> scratch_;

  Blend blend_;
  loop::Loop loop_;
  loop::Event changed_;  // everybody_open_ or stopping_
  bool everybody_open_ = false;
  bool stopping_ = false;

  size_t next_source_ = 0;
  int open_ = 0;
  uint64_t left_ = 0;  // of `count`
  bool limited_ = false;
  Instant began_{};
  Instant counted_from_ = kNever;
  Instant ends_ = kNever;
  Results results_;
  Results warm_up_;
};

// The part of `whole` that lane `number` of `of` takes.
Options share_of(const Options& whole, int number, int of);

}  // namespace penstock::load
