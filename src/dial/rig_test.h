// What the tests of this layer stand on: judged routes, listeners on loopback that answer or stay
// silent, a loop that is driven until something is done, and a network namespace of one's own.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dial/reach.h"
#include "policy/rules.h"
#include "sys/socket.h"

namespace penstock::dial {

inline Endpoint endpoint(std::string_view text) {
  return Endpoint::parse(text).value();
}
inline IpAddress address(std::string_view text) {
  return IpAddress::parse(text).value();
}

// Routes come from the judge, here as everywhere.
inline std::vector<policy::Route> routes_to(const std::vector<Endpoint>& endpoints) {
  policy::RuleSpec rule;
  rule.name = "lab";
  rule.patterns = {{"lab.example:1-65535", {}}};
  rule.addresses = {{"0.0.0.0/0", {}}, {"::/0", {}}};
  const auto rules = policy::Rules::compile({.rules = {rule}});
  std::vector<policy::Route> routes;
  for (const Endpoint& to : endpoints) {
    const policy::Asker asker{IpAddress::from_v4(127, 0, 0, 1), {}};
    const http::Authority target{"lab.example", {}, to.port};
    Code why{};
    const auto judged = rules->judge_addresses(rules->judge_name(asker, target), asker, target,
                                               std::span(&to.address, 1), {}, &why);
    EXPECT_EQ(judged.size(), 1u) << to.text() << ": " << facts(why).word;
    routes.insert(routes.end(), judged.begin(), judged.end());
  }
  return routes;
}

// Listens on `at`; port 0 takes a free one.
class Listener {
 public:
  explicit Listener(std::string_view at, int backlog = 16)
      : fd_(sys::open_listener(dial::endpoint(at), {.backlog = backlog}).value()) {}

  Endpoint at() const { return sys::local_endpoint(fd_.get()).value(); }
  Endpoint accept_peer() const { return sys::accept_connection(fd_.get()).value().peer; }
  int fd() const { return fd_.get(); }

 private:
  sys::Fd fd_;
};

// A place where SYNs are dropped: a backlog of zero holds one connection, and this one is taken.
class Silence {
 public:
  explicit Silence(std::string_view at)
      : listener_(at, 0), filler_(sys::start_connect(listener_.at(), {}).value()) {}
  Endpoint at() const { return listener_.at(); }

 private:
  Listener listener_;
  sys::Fd filler_;
};

// An endpoint where nobody listens: the port was free a moment ago, on an address that no other
// test uses.
inline Endpoint deserted(std::string_view host) {
  return Listener(std::string(host) + ":0").at();
}

// What the workers of a process share.
struct Shared {
  admission::Ports ports{PortRoom{}};
  admission::Routes routes{{}, 1};
  bool judged_later = false;
};

// One reach() on a loop, as a connection would run it.
class Dial {
 public:
  Dial(std::vector<policy::Route> routes, SourcePool sources, Duration attempt_delay,
       Duration patience = Duration::zero(), std::shared_ptr<Shared> shared = {})
      : shared_(shared ? std::move(shared) : std::make_shared<Shared>()),
        routes_(std::move(routes)),
        sources_(std::move(sources)) {
    tasks_.start(run(attempt_delay, deadline_after(loop_.read_clock(), patience)));
  }

  void turn_for(Duration span) {
    loop::Timer timer(loop_);
    timer.arm(loop_.read_clock() + span);
    while (!timer.expired()) loop_.turn(true);
  }
  loop::Loop& loop() { return loop_; }
  void cancel() { tasks_.end_all(); }

  // Gives up long after any of these tests would have ended by itself.
  Result<Reached>& result() {
    loop::Timer guard(loop_);
    guard.arm(loop_.read_clock() + std::chrono::seconds(20));
    while (!result_ && !guard.expired()) loop_.turn(true);
    EXPECT_TRUE(result_) << "reach() did not end";
    if (!result_) result_.emplace(fail(Code::kAborted));
    return *result_;
  }
  Code failure() {
    const auto& ended = result();
    EXPECT_FALSE(ended) << "connected to " << ended->peer.text();
    return ended ? Code::kAborted : ended.error().code;
  }

 private:
  loop::RootTask run(Duration attempt_delay, Instant deadline) {
    const Means means{sources_, shared_->ports, shared_->routes, shared_->judged_later};
    result_ = co_await reach(loop_, routes_, means, attempt_delay, deadline);
  }

  std::shared_ptr<Shared> shared_;
  loop::Loop loop_;
  std::vector<policy::Route> routes_;
  SourcePool sources_;
  std::optional<Result<Reached>> result_;
  loop::TaskSet tasks_;
};

inline size_t open_descriptors() {
  using Files = std::filesystem::directory_iterator;
  return static_cast<size_t>(std::distance(Files("/proc/self/fd"), Files()));
}

inline bool write_file(const char* path, std::string_view text) {
  const sys::Fd fd(::open(path, O_WRONLY | O_CLOEXEC));
  return fd && ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

inline bool enter_own_network(std::string_view port_range) {
  if (::unshare(CLONE_NEWNET) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return false;
  const sys::Fd any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq loopback{};
  std::memcpy(loopback.ifr_name, "lo", sizeof("lo"));
  loopback.ifr_flags = IFF_UP;
  return ::ioctl(any.get(), SIOCSIFFLAGS, &loopback) == 0 &&
         write_file("/proc/sys/net/ipv4/ip_local_port_range", port_range);
}

// Runs `body` in a child process with loopback alone and this ip_local_port_range.
template <class Body>
void in_own_network(std::string_view port_range, Body&& body) {
  constexpr int kRefusedByKernel = 77;
  std::fflush(nullptr);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (!enter_own_network(port_range)) ::_exit(kRefusedByKernel);
    body();
    std::fflush(nullptr);
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kRefusedByKernel) GTEST_SKIP() << "no network namespaces here";
  EXPECT_EQ(WEXITSTATUS(status), 0) << "see the failures above";
}

}  // namespace penstock::dial
