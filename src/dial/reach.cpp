#include "dial/reach.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "base/check.h"
#include "sys/socket.h"

namespace penstock::dial {
namespace {

// Larger tells more; reach.h says why in this order.
int telling(Code code) {
  switch (code) {
    case Code::kRefused: return 6;
    case Code::kDialTimeout: return 5;
    case Code::kNoDescriptor: return 4;
    case Code::kNoPort: return 3;
    case Code::kUnroutable: return 2;
    case Code::kBreakerOpen: return 0;
    default: return 1;
  }
}

// Whether it speaks against the route, and not against us.
bool blames_route(Code code) {
  return code == Code::kRefused || code == Code::kDialTimeout || code == Code::kUnroutable;
}

// The attempts of one reach(): those in flight, the routes still to try, the best excuse so far.
class Race {
 public:
  Race(loop::Loop& loop, std::span<const policy::Route> routes, Means means)
      : loop_(loop), means_(means), order_(interleave(routes)) {}

  bool may_start() const { return next_ < order_.size() && attempts_.size() < room_; }
  bool lost() const { return attempts_.empty() && !may_start(); }
  size_t in_flight() const { return attempts_.size(); }

  // Starts an attempt on the next route; false: it failed at once.
  bool start();
  void watch(loop::Wait& wait);
  // Closes the attempts that failed and gives the first that is connected.
  std::optional<Reached> settle();
  // Time is up for those in flight. One that began later than `since` had no fair chance, which
  // says nothing of its route.
  void give_up(Instant since);

  void excuse(const Error& error) {
    if (!excuse_ || telling(error.code) > telling(excuse_->code)) excuse_ = error;
  }
  std::unexpected<Error> most_telling() const { return std::unexpected(*excuse_); }

 private:
  struct Attempt {
    admission::PortShare port;
    loop::Stream stream;
    Endpoint to;
    admission::Routes::Leave leave;
    Instant began;
  };
  struct Connecting {
    admission::PortShare port;
    sys::Fd fd;
  };

  Result<Connecting> connect(const Endpoint& to);
  std::optional<Error> outcome(Attempt& attempt) const;

  loop::Loop& loop_;
  const Means means_;
  const std::vector<Endpoint> order_;
  size_t next_ = 0;
  std::vector<Attempt> attempts_;
  size_t room_ = kMaxAttempts;
  std::optional<Error> excuse_;
};

bool Race::start() {
  const Endpoint& to = order_[next_];
  auto leave = means_.routes.ask(to, loop_.now());
  if (!leave) {
    ++next_;
    excuse({Code::kBreakerOpen});
    return false;
  }
  auto connecting = connect(to);
  if (connecting) {
    ++next_;
    attempts_.push_back({std::move(connecting->port),
                         loop::Stream(loop_, std::move(connecting->fd)), to, std::move(leave),
                         loop_.now()});
    return true;
  }
  const Error error = connecting.error();
  if (blames_route(error.code)) leave.failed(error.code, loop_.now());
  if (error.code != Code::kNoDescriptor) {
    ++next_;
  } else if (attempts_.empty()) {
    next_ = order_.size();  // the other routes need a descriptor just as well
  } else {
    room_ = attempts_.size();  // this route waits for the descriptor of one that fails
    return false;
  }
  excuse(error);
  return false;
}

Result<Race::Connecting> Race::connect(const Endpoint& to) {
  Error error{Code::kNoPort};
  for (size_t left = means_.sources.choices(to.address.v6); left > 0; --left) {
    const auto source = means_.sources.next(to.address.v6);
    auto port = means_.ports.take(source, to, loop_.now());
    if (!port) continue;
    auto fd = sys::start_connect(to, source);
    if (fd) return Connecting{std::move(port), std::move(*fd)};
    error = dial_error(fd.error());
    if (error.code != Code::kNoPort) break;
    port.refused(loop_.now());
  }
  return std::unexpected(error);
}

void Race::watch(loop::Wait& wait) {
  for (Attempt& attempt : attempts_) wait.on(attempt.stream.source(), loop::kWritable);
}

// Of an attempt that is decided; empty: connected.
std::optional<Error> Race::outcome(Attempt& attempt) const {
  if (attempt.stream.source().ready(loop::kBroken)) {
    if (const sys::Errno error = sys::pending_error(attempt.stream.fd())) return dial_error(error);
  }
  // On an address of this machine the kernel may pick the very port that is being dialled, and
  // TCP's simultaneous open then connects the socket with itself: the client would talk to an
  // echo instead of hearing that nobody listens there.
  if (means_.sources.may_leave_from(attempt.to.port) &&
      sys::local_endpoint(attempt.stream.fd()) == attempt.to) {
    return Error{Code::kRefused};
  }
  return std::nullopt;
}

std::optional<Reached> Race::settle() {
  for (size_t i = 0; i < attempts_.size();) {
    Attempt& attempt = attempts_[i];
    if (!attempt.stream.source().ready(loop::kWritable)) {
      ++i;
      continue;
    }
    const auto error = outcome(attempt);
    if (!error) {
      if (!means_.judged_later) attempt.leave.succeeded(loop_.now());
      return Reached{std::move(attempt.port), std::move(attempt.stream), attempt.to,
                     std::move(attempt.leave)};
    }
    if (blames_route(error->code)) attempt.leave.failed(error->code, loop_.now());
    excuse(*error);
    attempts_.erase(attempts_.begin() + static_cast<ptrdiff_t>(i));
  }
  return std::nullopt;
}

void Race::give_up(Instant since) {
  for (Attempt& attempt : attempts_) {
    if (attempt.began <= since) attempt.leave.failed(Code::kDialTimeout, loop_.now());
  }
  excuse({Code::kDialTimeout});
}

}  // namespace

loop::Task<Result<Reached>> reach(loop::Loop& loop, std::span<const policy::Route> routes,
                                  Means means, Duration attempt_delay, Instant deadline) {
  PENSTOCK_CHECK(!routes.empty());
  attempt_delay = std::max(attempt_delay, kMinAttemptDelay);
  Race race(loop, routes, means);
  loop::Timer timer(loop);
  Instant next_start = loop.now();
  while (loop.now() < deadline) {
    while (race.may_start() && loop.now() >= next_start) {
      if (race.start()) next_start = deadline_after(loop.now(), attempt_delay);
    }
    if (race.lost()) co_return race.most_telling();

    timer.arm(race.may_start() ? std::min(next_start, deadline) : deadline);
    {
      loop::Wait wait(loop);
      race.watch(wait);
      co_await wait.until(timer);
    }
    const size_t in_flight = race.in_flight();
    if (auto reached = race.settle()) co_return std::move(*reached);
    if (race.in_flight() < in_flight) next_start = loop.now();
  }
  race.give_up(loop.now() - attempt_delay);
  co_return race.most_telling();
}

std::vector<Endpoint> interleave(std::span<const policy::Route> routes) {
  std::vector<Endpoint> order;
  const size_t size = std::min(routes.size(), kMaxRoutes);
  order.reserve(size);
  bool v6 = !routes.empty() && routes.front().endpoint().address.v6;
  size_t next[2] = {0, 0};  // by family: where its next route may be
  while (order.size() < size) {
    size_t& at = next[v6];
    while (at < routes.size() && routes[at].endpoint().address.v6 != v6) ++at;
    if (at < routes.size()) order.push_back(routes[at++].endpoint());
    v6 = !v6;
  }
  return order;
}

Error dial_error(int sys_errno) {
  const auto code = [sys_errno] {
    switch (sys_errno) {
      case ECONNREFUSED:
      case ECONNRESET: return Code::kRefused;
      case ETIMEDOUT: return Code::kDialTimeout;
      case ENETUNREACH:
      case EHOSTUNREACH:
      case ENETDOWN:
      case EHOSTDOWN:
      case EAFNOSUPPORT:                     // a kernel without IPv6
      case EACCES:                           // `ip route add prohibit`, a broadcast address
      case EPERM: return Code::kUnroutable;  // netfilter, a cgroup's BPF program
      case EADDRNOTAVAIL:
      case EADDRINUSE:
      case EAGAIN: return Code::kNoPort;
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM: return Code::kNoDescriptor;
      default: return Code::kDialFailed;
    }
  }();
  return {code, sys_errno};
}

}  // namespace penstock::dial
