// rtt: small messages back and forth over tunnels that stay open.
#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "load/modes.h"
#include "load/pace.h"

namespace penstock::load {
namespace {

using loop::kReadable;
using loop::Moved;
using loop::RootTask;
using loop::Task;
using loop::Timer;
using loop::Wait;

constexpr uint64_t kMessageByDefault = 64;

// The pings of one lane. Each tunnel has a coroutine of its own, which is either in the middle of a
// ping or waits for one; a ping of a closed loop allocates nothing. A tunnel that fails is counted
// once and not opened again.
class Pings {
 public:
  explicit Pings(Lane& lane)
      : lane_(lane),
        size_(std::min<uint64_t>(
            lane.options().bytes > 0 ? lane.options().bytes : kMessageByDefault, Pattern::kPiece)),
        called_for_(lane.options().rate > 0),
        room_(lane.loop()) {}

  void add(Tunnel tunnel) {
    pingers_.push_back(std::make_unique<Pinger>(lane_.loop(), std::move(tunnel)));
  }
  void start() {
    for (const auto& pinger : pingers_) tasks_.start(use(*pinger));
  }
  // Open loop: calls a free tunnel for each intended start.
  Task<> call();
  Task<> rest();

 private:
  struct Pinger : ListNode {
    Pinger(loop::Loop& loop, Tunnel opened)
        : tunnel(std::move(opened)), timer(loop), called(loop) {}

    Tunnel tunnel;
    Timer timer;
    loop::Event called;
    Instant from = kNever;          // of the ping to do; kNever: none
    uint64_t offset = 1;            // of the pattern; its first byte set up the tunnel
    size_t sent = 0, received = 0;  // of this ping
  };

  RootTask use(Pinger& pinger);
  Task<Failure> ping_until_over(Pinger& pinger);
  // Does what can be done without waiting; false: there is more to do.
  bool advance(Pinger& pinger, Failure& failure);
  void settle(Pinger& pinger);

  Lane& lane_;
  const size_t size_;
  const bool called_for_;  // each ping is, one by one: an open loop
  loop::Event room_;       // a tunnel is free, or is no more
  List<Pinger> free_;
  std::vector<std::unique_ptr<Pinger>> pingers_;
  size_t alive_ = 0;
  bool over_ = false;
  loop::TaskSet tasks_;
};

bool Pings::advance(Pinger& pinger, Failure& failure) {
  Wire& wire = pinger.tunnel.wire();
  const auto message = pattern().at(pinger.offset, size_);
  if (pinger.sent < size_) {
    const Moved moved = wire.write(message.subspan(pinger.sent));
    if (moved.failed()) failure = failure_of(moved.error());
    if (!moved.bytes()) return failure.has_value();
    pinger.sent += static_cast<size_t>(moved.count);
    lane_.moved_up(static_cast<uint64_t>(moved.count));
  }
  // No more than has been sent: what comes beyond that is nobody's answer.
  while (pinger.received < size_) {
    const auto into = lane_.scratch().first(size_ - pinger.received);
    const Moved moved = wire.read(into);
    if (moved.would_block()) return false;
    if (moved.end()) failure = kClosedByPeer;
    if (moved.failed()) failure = failure_of(moved.error());
    if (failure) return true;
    const auto count = static_cast<size_t>(moved.count);
    // SAFETY: count is no more than what is left of the message.
    if (std::memcmp(into.data(), message.data() + pinger.received, count) != 0) {
      failure = kWrongBytes;
      return true;
    }
    pinger.received += count;
    lane_.moved_down(count);
  }
  return true;
}

void Pings::settle(Pinger& pinger) {
  Results& results = lane_.results_for(pinger.from);
  results.round_trip.record(Clock::now() - pinger.from);
  ++results.finished;
  pinger.offset += size_;
  pinger.sent = pinger.received = 0;
  pinger.from = kNever;
}

Task<Failure> Pings::ping_until_over(Pinger& pinger) {
  Wire& wire = pinger.tunnel.wire();
  for (;;) {
    if (called_for_) {
      free_.push_back(pinger);
      room_.notify_all();
      while (pinger.from == kNever && !over_) co_await pinger.called.wait();
      if (pinger.from == kNever) co_return std::nullopt;
    } else {
      const Instant now = Clock::now();
      if (!lane_.take(now)) co_return std::nullopt;
      pinger.from = now;
    }
    pinger.timer.arm(lane_.patience_ends());
    Failure failure;
    while (!advance(pinger, failure)) {
      if (pinger.timer.expired()) co_return kTimedOut;
      const uint8_t plainly = pinger.sent < size_ ? loop::kReadable | loop::kWritable : kReadable;
      co_await Wait(lane_.loop()).on(wire.source(), wire.needs(plainly)).until(pinger.timer);
    }
    if (failure) co_return failure;
    settle(pinger);
  }
}

RootTask Pings::use(Pinger& pinger) {
  ++alive_;
  const Failure failure = co_await ping_until_over(pinger);
  if (failure) {
    Lane::count_error(lane_.results_for(pinger.from), *failure);
  } else if (Failure unclosed = co_await close_tunnel(lane_, pinger.tunnel, pinger.timer)) {
    Lane::count_error(lane_.results_for(lane_.loop().now()), *unclosed);
  }
  pinger.unlink();
  --alive_;
  room_.notify_all();
}

Task<> Pings::call() {
  Starts starts(lane_, deadline_after(lane_.ends(), lane_.options().patience));
  while (const auto intended = co_await starts.next()) {
    if (free_.empty()) ++lane_.results_for(*intended).late;
    while (free_.empty() && alive_ > 0) co_await room_.wait();
    if (alive_ == 0) {
      // Each tunnel has been counted as an error; what they were to carry is one more.
      Lane::count_error(lane_.results_for(*intended), "no tunnel left");
      break;
    }
    Pinger& pinger = free_.front();
    pinger.unlink();
    pinger.from = *intended;
    pinger.called.notify_all();
  }
  over_ = true;
  for (const auto& pinger : pingers_) pinger->called.notify_all();
}

Task<> Pings::rest() {
  while (alive_ > 0) co_await room_.wait();
}

}  // namespace

Task<> run_rtt(Lane& lane) {
  Pings pings(lane);
  {
    auto tunnels = co_await open_tunnels(lane, lane.options().connections);
    co_await lane.wait_for_the_others(static_cast<int>(tunnels.size()));
    for (Tunnel& tunnel : tunnels) pings.add(std::move(tunnel));
  }
  pings.start();
  if (lane.options().rate > 0) co_await pings.call();
  co_await pings.rest();
}

}  // namespace penstock::load
