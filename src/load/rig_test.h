// What the tests of this layer stand on: an origin on a thread of its own, a server that does what
// a test tells it with each connection, and a blocking client.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <functional>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "load/origin.h"
#include "load/run.h"
#include "sys/socket.h"

namespace penstock::load {

using namespace std::chrono_literals;

inline void block(int fd) {
  EXPECT_EQ(::fcntl(fd, F_SETFL, 0), 0);
  const timeval guard{.tv_sec = 20, .tv_usec = 0};  // far beyond what anything here takes
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &guard, sizeof(guard));
}

// One end of a connection, blocking.
class Peer {
 public:
  explicit Peer(sys::Fd fd) : fd_(std::move(fd)) { block(fd_.get()); }
  explicit Peer(const Endpoint& to) : Peer(sys::start_connect(to, {}).value()) {}

  void say(std::string_view bytes) const {
    EXPECT_EQ(::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_WAITALL),
              static_cast<ssize_t>(bytes.size()));
  }
  void end() const { ::shutdown(fd_.get(), SHUT_WR); }
  // At most `most` bytes, or until the end or an error, which error() then names.
  std::string hear(size_t most = SIZE_MAX) {
    std::string heard;
    char buffer[65536];
    while (heard.size() < most) {
      const ssize_t n = ::recv(fd_.get(), buffer, std::min(sizeof(buffer), most - heard.size()), 0);
      error_ = n < 0 ? errno : 0;
      if (n <= 0) break;
      heard.append(buffer, static_cast<size_t>(n));
    }
    return heard;
  }
  std::string hear_head() {
    std::string head;
    while (!head.ends_with("\r\n\r\n")) {
      const std::string byte = hear(1);
      if (byte.empty()) break;
      head += byte;
    }
    return head;
  }
  int error() const { return error_; }
  void reset() {
    sys::reset_on_close(fd_.get());
    fd_.reset();
  }

 private:
  sys::Fd fd_;
  int error_ = 0;
};

// `penstock load origin`, on a free port per behaviour.
class RunningOrigin {
 public:
  explicit RunningOrigin(std::vector<Behaviour> behaviours = {Behaviour::kAny}, bool tls = false,
                         int threads = 1) {
    OriginOptions options{.listeners = {}, .tls = tls, .threads = threads};
    for (const Behaviour behaviour : behaviours) {
      options.listeners.push_back({Endpoint::parse("127.0.0.1:0").value(), behaviour});
    }
    std::promise<std::vector<Endpoint>> ready;
    auto addresses = ready.get_future();
    thread_ = std::jthread([options, &ready](const std::stop_token& stop) {
      const auto result =
          run_origin(options, stop, [&](const auto& found) { ready.set_value(found); });
      EXPECT_TRUE(result.has_value());
    });
    addresses_ = addresses.get();
  }
  const Endpoint& at(size_t listener = 0) const { return addresses_[listener]; }

 private:
  std::vector<Endpoint> addresses_;
  std::jthread thread_;
};

// Does `serve` with each connection, one after the other, on a thread of its own. Connections stay
// open until the server is destroyed, unless `serve` ends them.
class ScriptedServer {
 public:
  using Serve = std::function<void(Peer& peer, int number)>;

  explicit ScriptedServer(Serve serve)
      : listener_(sys::open_listener(Endpoint::parse("127.0.0.1:0").value(), {}).value()),
        at_(sys::local_endpoint(listener_.get()).value()) {
    EXPECT_EQ(::fcntl(listener_.get(), F_SETFL, 0), 0);
    thread_ = std::thread([this, serve = std::move(serve)] {
      std::vector<Peer> peers;
      for (int number = 0;; ++number) {
        const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) return;  // shut down
        peers.emplace_back(sys::Fd(fd));
        serve(peers.back(), number);
      }
    });
  }
  ~ScriptedServer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  const Endpoint& at() const { return at_; }

 private:
  sys::Fd listener_;
  Endpoint at_;
  std::thread thread_;
};

inline http::Authority authority_of(const Endpoint& endpoint) {
  return {endpoint.address.text(), endpoint.address, endpoint.port};
}

inline Options direct(const Endpoint& origin, Mode mode) {
  Options options;
  options.mode = mode;
  options.way = Way::kDirect;
  options.target = authority_of(origin);
  options.patience = 20s;
  return options;
}

inline Options through(const Endpoint& proxy, Mode mode) {
  Options options = direct(proxy, mode);
  options.way = Way::kConnect;
  options.proxy = proxy;
  options.target = {"origin.example", {}, 443};
  return options;
}

inline Options with_count(Options options, uint64_t count) {
  options.count = count;
  return options;
}

// Echoes what comes until the end.
inline void echo_all(Peer& peer) {
  for (std::string byte = peer.hear(1); !byte.empty(); byte = peer.hear(1)) peer.say(byte);
  peer.end();
}

inline Results run(const Options& options) {
  return run(options, {}, Watching{});
}

}  // namespace penstock::load
