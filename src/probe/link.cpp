#include "probe/link.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sys/calls.h"
#include "sys/socket.h"

namespace penstock::probe {
namespace {

constexpr Duration kAttemptDelay = std::chrono::milliseconds(250);

struct Attempt {
  sys::Fd fd;
  Endpoint peer;
};

// The attempts that go on at the same time.
class Race {
 public:
  explicit Race(Instant deadline) : deadline_(deadline) {}

  bool running() const { return !attempts_.empty(); }
  const LinkFault& last_fault() const { return last_fault_; }

  void start(const Endpoint& to) {
    auto fd = sys::start_connect(to, std::nullopt);
    if (!fd) {
      last_fault_ = fault_of(fd.error());
      return;
    }
    attempts_.push_back({std::move(*fd), to});
  }

  // Until one has connected, one has failed (and is gone), or `until` has passed.
  std::optional<Reached> wait(Instant until) {
    std::vector<pollfd> waiting;
    waiting.reserve(attempts_.size());
    for (const Attempt& attempt : attempts_) waiting.push_back({attempt.fd.get(), POLLOUT, 0});
    ::poll(waiting.data(), waiting.size(), millis_until(std::min(until, deadline_)));
    for (size_t i = waiting.size(); i-- > 0;) {
      if (waiting[i].revents == 0) continue;
      const int error = sys::pending_error(attempts_[i].fd.get());
      if (error == 0) return Reached{std::move(attempts_[i].fd), attempts_[i].peer};
      last_fault_ = fault_of(error);
      attempts_.erase(attempts_.begin() + static_cast<ptrdiff_t>(i));
    }
    return std::nullopt;
  }

 private:
  Instant deadline_;
  std::vector<Attempt> attempts_;
  LinkFault last_fault_ = fault_of(EHOSTUNREACH);
};

}  // namespace

LinkFault fault_of(int error) {
  using Why = LinkFault::Kind;
  switch (error) {
    case ETIMEDOUT: return {Why::kTimedOut, "timed out"};
    case ECONNRESET:
    case EPIPE: return {Why::kReset, "reset by the other end"};
    case ECONNREFUSED: return {Why::kRefused, "connection refused"};
    case ENETUNREACH:
    case EHOSTUNREACH: return {Why::kRefused, "no route"};
    default: return {Why::kSystem, std::strerror(error)};
  }
}

int millis_until(Instant deadline) {
  constexpr int64_t kLongest = 60'000;  // a caller that finds its deadline not passed asks again
  const Duration left = deadline - Clock::now();
  const int64_t millis = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::clamp<int64_t>(millis, 0, kLongest));
}

bool TcpLink::wait(short events, Instant deadline) const {
  for (;;) {
    pollfd waiting{fd_.get(), events, 0};
    if (::poll(&waiting, 1, millis_until(deadline)) > 0) return true;
    if (Clock::now() >= deadline) return false;
  }
}

Linked<size_t> TcpLink::read(std::span<uint8_t> into, Instant deadline) {
  for (;;) {
    const long count = sys::calls::recv(fd_.get(), into.data(), into.size());
    if (count >= 0) {
      heard_ = Clock::now();
      return static_cast<size_t>(count);
    }
    if (count != -EAGAIN) return std::unexpected(fault_of(static_cast<int>(-count)));
    if (!wait(POLLIN, deadline)) return std::unexpected(fault_of(ETIMEDOUT));
  }
}

Linked<void> TcpLink::write(std::span<const uint8_t> from, Instant deadline) {
  while (!from.empty()) {
    // Read before the call: an answer may be here before it returns.
    const Instant now = Clock::now();
    const long count = sys::calls::send(fd_.get(), from.data(), from.size());
    if (count > 0) {
      said_ = now;
      from = from.subspan(static_cast<size_t>(count));
      continue;
    }
    if (count != -EAGAIN) return std::unexpected(fault_of(static_cast<int>(-count)));
    if (!wait(POLLOUT, deadline)) return std::unexpected(fault_of(ETIMEDOUT));
  }
  return {};
}

std::optional<uint32_t> TcpLink::rtt_us() const {
  const auto facts = sys::tcp_facts(fd_.get());
  if (!facts) return std::nullopt;
  return facts->rtt_us;
}

Linked<Reached> reach(const std::vector<IpAddress>& addresses, uint16_t port, Instant deadline) {
  Race race(deadline);
  size_t next = 0;
  Instant next_start = Clock::now();
  for (;;) {
    const bool more = next < addresses.size();
    if (more && (!race.running() || Clock::now() >= next_start)) {
      race.start({addresses[next++], port});
      next_start = Clock::now() + kAttemptDelay;
      continue;
    }
    if (!race.running()) return std::unexpected(race.last_fault());
    if (auto reached = race.wait(more ? next_start : deadline)) return std::move(*reached);
    if (Clock::now() >= deadline) return std::unexpected(fault_of(ETIMEDOUT));
  }
}

}  // namespace penstock::probe
