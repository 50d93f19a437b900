// For tests only: a tunnel between two real loopback connections, all ends on one thread. The
// peers make their own system calls, so that a faulty sys/calls meets the tunnel alone.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "sys/calls.h"
#include "sys/socket.h"
#include "tunnel/carry.h"

namespace penstock::tunnel::testing {

// The bytes of a stream: byte i is known from i and the seed, so each is checked on arrival.
class Pattern {
 public:
  explicit Pattern(uint64_t seed) : bytes_(2 * kPeriod) {
    Random random(seed);
    for (size_t i = 0; i < kPeriod; ++i) {
      bytes_[i] = bytes_[i + kPeriod] = static_cast<char>(random.next());
    }
  }
  // At least kPeriod bytes can be read from here.
  const char* at(uint64_t offset) const { return bytes_.data() + offset % kPeriod; }

  static constexpr size_t kPeriod = 65521;  // prime: no buffer is a multiple of it

 private:
  std::vector<char> bytes_;
};

// One end outside of the proxy.
class Peer {
 public:
  Peer(sys::Fd fd, uint64_t seed) : fd_(std::move(fd)), sends_(seed), random_(seed) {}

  uint64_t to_send = 0;  // still to be sent
  bool end_after_sending = true;
  bool reads = true;
  uint64_t sent = 0;
  uint64_t received = 0;
  bool intact = true;  // everything received so far was what the other had sent
  bool got_end = false;
  int got_error = 0;  // errno of a failed send or recv

  int fd() const { return fd_.get(); }
  const Pattern& pattern() const { return sends_; }

  // A few attempts each way, in pieces of random size: a burst can fill the relay's buffer.
  void step(const Pattern& expected) {
    if (!fd_) return;
    for (uint64_t burst = random_.below(8); to_send > 0; --burst) {
      send_some();
      if (burst == 0) break;
    }
    if (to_send == 0 && end_after_sending && !sent_end_ && got_error == 0) end();
    for (uint64_t burst = random_.below(8); reads && !got_end && got_error == 0; --burst) {
      receive_some(expected);
      if (burst == 0) break;
    }
  }
  void end() {
    sent_end_ = true;
    ::shutdown(fd_.get(), SHUT_WR);
  }
  void reset() {
    const linger now{1, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    fd_.reset();
  }
  void close() { fd_.reset(); }
  void write(std::string_view bytes, int flags = 0) {
    PENSTOCK_CHECK(::send(fd_.get(), bytes.data(), bytes.size(), flags | MSG_NOSIGNAL) ==
                   static_cast<ssize_t>(bytes.size()));
  }
  // What has arrived, unchecked.
  std::string read_all() {
    std::string all;
    char buffer[65536];
    for (ssize_t n; (n = ::recv(fd_.get(), buffer, sizeof(buffer), 0)) >= 0;) {
      if (n == 0) {
        got_end = true;
        break;
      }
      all.append(buffer, static_cast<size_t>(n));
    }
    return all;
  }

 private:
  size_t piece() { return 1 + random_.below(random_.below(4) == 0 ? 100 : Pattern::kPeriod); }

  void send_some() {
    const size_t size = std::min<uint64_t>(to_send, piece());
    const ssize_t n = ::send(fd_.get(), sends_.at(sent), size, MSG_NOSIGNAL);
    if (n < 0) return note_error();
    sent += static_cast<uint64_t>(n);
    to_send -= static_cast<uint64_t>(n);
  }
  void receive_some(const Pattern& expected) {
    char buffer[Pattern::kPeriod];
    const ssize_t n = ::recv(fd_.get(), buffer, piece(), 0);
    if (n < 0) return note_error();
    if (n == 0) got_end = true;
    const auto size = static_cast<size_t>(n);
    if (std::memcmp(buffer, expected.at(received), size) != 0) intact = false;
    received += size;
  }
  void note_error() {
    if (errno == EAGAIN) return;
    got_error = errno;
    to_send = 0;
  }

  sys::Fd fd_;
  Pattern sends_;
  Random random_;
  bool sent_end_ = false;
};

struct Connection {
  sys::Fd inside;
  sys::Fd outside;
};

// Buffer sizes of zero leave the kernel's own.
inline Connection connect_loopback(int outside_receives = 0, int inside_sends = 0) {
  const sys::Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  // SAFETY: the socket interface takes any address as a sockaddr.
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  PENSTOCK_CHECK(::bind(listener.get(), generic, length) == 0);
  PENSTOCK_CHECK(::listen(listener.get(), 1) == 0);
  PENSTOCK_CHECK(::getsockname(listener.get(), generic, &length) == 0);
  Connection out;
  out.outside = sys::Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (outside_receives > 0) {
    ::setsockopt(out.outside.get(), SOL_SOCKET, SO_RCVBUF, &outside_receives, sizeof(int));
  }
  PENSTOCK_CHECK(::connect(out.outside.get(), generic, length) == 0);
  out.inside = sys::Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  PENSTOCK_CHECK(out.inside);
  if (inside_sends > 0) {
    ::setsockopt(out.inside.get(), SOL_SOCKET, SO_SNDBUF, &inside_sends, sizeof(int));
  }
  ::fcntl(out.outside.get(), F_SETFL, O_NONBLOCK);
  const int on = 1;
  for (const int fd : {out.inside.get(), out.outside.get()}) {
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  return out;
}

inline constexpr Patience kPatient{Duration::zero(), Duration::zero(), kNever};

// What the tunnels of one worker share.
struct Worker {
  loop::Loop loop;
  Relay relay;
};

// Socket buffers in bytes; zero leaves the kernel's own.
struct Buffers {
  int peer_receives = 0;
  int proxy_sends = 0;
};

// What the kernel's TLS looks like from here: the socket's bytes may be spliced, and at the end
// some of them may be nobody knows where.
class Kernel final : public loop::Transport {
 public:
  struct Facts {
    uint64_t noted = 0;  // as spliced
    long held_back = 0;
  };
  Kernel(int fd, Facts& facts) : fd_(fd), facts_(facts) {}
  loop::Moved read(std::span<uint8_t> into) override {
    return {sys::calls::recv(fd_, into.data(), into.size())};
  }
  loop::Moved write(std::span<const uint8_t> from) override {
    return {sys::calls::send(fd_, from.data(), from.size())};
  }
  bool shutdown_write() override {
    sys::calls::shutdown(fd_, SHUT_WR);
    return true;
  }
  bool spliceable() const override { return true; }
  void note_spliced(size_t bytes) override { facts_.noted += bytes; }
  long unsent() const override { return facts_.held_back; }

 private:
  const int fd_;
  Facts& facts_;
};

class Tunnel {
 public:
  Tunnel(Worker& worker, uint64_t seed, Buffers buffers = {})
      : Tunnel(worker, seed, connect_loopback(buffers.peer_receives, buffers.proxy_sends),
               connect_loopback(buffers.peer_receives, buffers.proxy_sends)) {}
  ~Tunnel() { tasks_.end_all(); }

  Worker& worker;
  Peer client;
  Peer origin;
  loop::Stream client_stream;
  loop::Stream origin_stream;
  Carried up_bytes;
  Carried down_bytes;
  std::optional<Flow> up;
  std::optional<Flow> down;
  bool over = false;
  std::optional<Error> outcome;

  void begin(Patience patience = kPatient) { tasks_.start(run(patience)); }
  // Ends it from outside, as an owner does who drops the task.
  void cancel() {
    tasks_.end_all();
    close();
  }
  void step() {
    client.step(origin.pattern());
    origin.step(client.pattern());
    worker.loop.turn(false);
  }
  // Goes on until `reached`; false after 20 s, so that a stall is a failure and not a hang.
  template <class Reached>
  bool step_until(Reached reached) {
    const Instant limit = Clock::now() + std::chrono::seconds(20);
    while (!reached()) {
      if (Clock::now() > limit) return false;
      step();
    }
    return true;
  }
  // Both halves closed and everything read by the peers.
  bool complete() {
    return step_until([&] { return over && client.got_end && origin.got_end; });
  }
  // Enough turns that whatever could still move on a loopback has moved.
  void settle(int turns = 200) {
    for (int i = 0; i < turns; ++i) worker.loop.turn(false);
  }

 private:
  Tunnel(Worker& on, uint64_t seed, Connection client_side, Connection origin_side)
      : worker(on),
        client(std::move(client_side.outside), seed * 2),
        origin(std::move(origin_side.outside), seed * 2 + 1),
        client_stream(on.loop, std::move(client_side.inside)),
        origin_stream(on.loop, std::move(origin_side.inside)),
        up(std::in_place, on.relay, client_stream, origin_stream, up_bytes),
        down(std::in_place, on.relay, origin_stream, client_stream, down_bytes) {
    sys::set_urgent_inline(client_stream.fd());
    sys::set_urgent_inline(origin_stream.fd());
  }

  loop::RootTask run(Patience patience) {
    outcome = co_await carry(*up, *down, patience);
    over = true;
    close();
  }
  void close() {
    up.reset();
    down.reset();
    client_stream.close();
    origin_stream.close();
  }

  loop::TaskSet tasks_;
};

}  // namespace penstock::tunnel::testing
