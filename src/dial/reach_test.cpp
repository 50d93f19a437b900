#include "dial/reach.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "dial/rig_test.h"

namespace penstock::dial {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using testing::ElementsAre;

// Where a test must not depend on it, the next attempt is too far away to happen by itself.
constexpr Duration kNotByItself = hours(1);
constexpr size_t kForTheLoop = 2;  // descriptors: its epoll, its mailbox

TEST(Reach, ConnectsToAListener) {
  const Listener origin("127.1.0.1:0");
  Dial dial(routes_to({origin.at()}), {}, kNotByItself);
  ASSERT_TRUE(dial.result());
  EXPECT_EQ(dial.result()->peer, origin.at());
  const int fd = dial.result()->stream.fd();
  EXPECT_EQ(sys::pending_error(fd), 0);
  EXPECT_EQ(sys::local_endpoint(fd), origin.accept_peer());
}

TEST(Reach, ReportsARefusalWithoutWaitingForTheDeadline) {
  Dial dial(routes_to({deserted("127.1.0.2")}), {}, kNotByItself);
  EXPECT_EQ(dial.failure(), Code::kRefused);
  EXPECT_EQ(dial.result().error().sys_errno, ECONNREFUSED);
}

TEST(Reach, StartsTheNextAttemptAtOnceWhenOneFails) {
  const Listener origin("127.1.0.3:0");
  Dial dial(routes_to({deserted("127.1.0.4"), deserted("127.1.0.5"), origin.at()}), {},
            kNotByItself);
  ASSERT_TRUE(dial.result());
  EXPECT_EQ(dial.result()->peer, origin.at());
}

TEST(Reach, PassesASilentRouteAfterTheAttemptDelay) {
  const Silence silent("127.1.0.6:0");
  const Listener origin("127.1.0.7:0");
  const size_t before = open_descriptors();
  Dial dial(routes_to({silent.at(), origin.at()}), {}, milliseconds(10));
  ASSERT_TRUE(dial.result());
  EXPECT_EQ(dial.result()->peer, origin.at());
  EXPECT_EQ(open_descriptors(), before + kForTheLoop + 1) << "the loser is closed";
}

TEST(Reach, DoesNotStartASecondAttemptBeforeTheDelay) {
  const Silence silent("127.1.0.8:0");
  const Listener origin("127.1.0.9:0");
  const size_t before = open_descriptors();
  Dial dial(routes_to({silent.at(), origin.at()}), {}, kNotByItself, milliseconds(30));
  EXPECT_EQ(open_descriptors(), before + kForTheLoop + 1);
  EXPECT_EQ(dial.failure(), Code::kDialTimeout);
}

TEST(Reach, TimesOutAtTheDeadlineAndNotBefore) {
  const Silence one("127.1.0.10:0"), two("127.1.0.11:0");
  Dial dial(routes_to({one.at(), two.at()}), {}, milliseconds(10), milliseconds(40));
  const Instant deadline = dial.loop().now() + milliseconds(40);
  EXPECT_EQ(dial.failure(), Code::kDialTimeout);
  EXPECT_GE(dial.loop().now(), deadline);
}

TEST(Reach, PrefersARefusalToATimeoutWhenBothHappened) {
  const Silence silent("127.1.0.12:0");
  Dial dial(routes_to({deserted("127.1.0.13"), silent.at()}), {}, milliseconds(10),
            milliseconds(30));
  EXPECT_EQ(dial.failure(), Code::kRefused);
}

TEST(Reach, HoldsAtMostSoManyAttemptsAtOnce) {
  std::vector<std::unique_ptr<Silence>> silent;
  std::vector<Endpoint> endpoints;
  for (size_t i = 0; i < kMaxAttempts + 2; ++i) {
    silent.push_back(std::make_unique<Silence>("127.1.1." + std::to_string(i + 1) + ":0"));
    endpoints.push_back(silent.back()->at());
  }
  const size_t full = open_descriptors() + kForTheLoop + kMaxAttempts;
  Dial dial(routes_to(endpoints), {}, kMinAttemptDelay);
  while (open_descriptors() < full) dial.loop().turn(true);
  dial.turn_for(3 * kMinAttemptDelay);
  EXPECT_EQ(open_descriptors(), full);
}

TEST(Reach, ClosesEveryAttemptWhenItIsCancelled) {
  const Silence one("127.1.0.14:0"), two("127.1.0.15:0");
  const int64_t frames = loop::live_frames();
  const size_t before = open_descriptors();
  Dial dial(routes_to({one.at(), two.at()}), {}, milliseconds(10));
  while (open_descriptors() < before + kForTheLoop + 2) dial.loop().turn(true);
  EXPECT_GT(loop::live_frames(), frames);
  dial.cancel();
  EXPECT_EQ(open_descriptors(), before + kForTheLoop);
  EXPECT_EQ(loop::live_frames(), frames);
}

// While it lives, only `spare` further descriptors can be opened.
class FewDescriptors {
 public:
  explicit FewDescriptors(size_t spare) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    std::vector<sys::Fd> taken;
    for (size_t i = 0; i < spare + 1; ++i) taken.emplace_back(::dup(0));
    rlimit few = before_;
    last_ = taken[spare - 1].get();
    few.rlim_cur = static_cast<rlim_t>(taken[spare].get());
    ::setrlimit(RLIMIT_NOFILE, &few);
  }
  FewDescriptors(const FewDescriptors&) = delete;
  ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

  int last() const { return last_; }  // the highest number that can be had

 private:
  int last_ = -1;
  rlimit before_{};
};

TEST(Reach, SaysThatItIsOutOfDescriptors) {
  const Listener one("127.1.0.16:0"), two("127.1.0.17:0");
  const auto routes = routes_to({one.at(), two.at()});
  const FewDescriptors few(kForTheLoop);
  Dial dial(routes, {}, kNotByItself);
  EXPECT_EQ(dial.failure(), Code::kNoDescriptor);
  EXPECT_EQ(dial.result().error().sys_errno, EMFILE);
}

TEST(Reach, LetsARouteWaitForTheDescriptorOfOneThatFails) {
  const Silence silent("127.1.0.18:0");
  const Listener origin("127.1.0.19:0");
  const auto both = routes_to({silent.at(), origin.at()});
  const FewDescriptors few(kForTheLoop + 1);
  Dial dial(both, {}, kMinAttemptDelay);
  dial.turn_for(3 * kMinAttemptDelay);  // the second attempt is refused its descriptor
  // Shutting down a socket that is connecting fails its attempt with ECONNRESET.
  ASSERT_EQ(::shutdown(few.last(), SHUT_RDWR), 0);
  ASSERT_TRUE(dial.result());
  EXPECT_EQ(dial.result()->peer, origin.at());
}

TEST(Reach, PrefersTheSilenceOfTheOriginToItsOwnLackOfDescriptors) {
  const Silence silent("127.1.0.21:0");
  const Listener origin("127.1.0.22:0");
  const auto both = routes_to({silent.at(), origin.at()});
  const FewDescriptors few(kForTheLoop + 1);
  Dial dial(both, {}, milliseconds(10), milliseconds(40));
  EXPECT_EQ(dial.failure(), Code::kDialTimeout);
}

TEST(Reach, LeavesFromEachSourceAddressInTurn) {
  const Listener origin("127.1.0.23:0");
  const auto routes = routes_to({origin.at()});
  SourcePool sources({address("127.2.0.1"), address("127.2.0.2")});
  std::vector<std::string> seen;
  Shared shared;
  const Means means{sources, shared.ports, shared.routes};
  loop::Loop loop;
  loop::TaskSet tasks;
  const auto thrice = [&]() -> loop::RootTask {
    for (int i = 0; i < 3; ++i) {
      const auto reached = co_await reach(loop, routes, means, kNotByItself, kNever);
      EXPECT_TRUE(reached);
      seen.push_back(origin.accept_peer().address.text());
    }
  };
  tasks.start(thrice());
  while (!tasks.empty()) loop.turn(true);
  EXPECT_THAT(seen, ElementsAre("127.2.0.1", "127.2.0.2", "127.2.0.1"));
}

TEST(Reach, RunsOutOfPortsOnlyWhenNoSourceAddressHasOneLeft) {
  in_own_network("40000 40009", [] {
    const Listener origin("127.0.0.1:30001", 64);
    const auto routes = routes_to({origin.at()});
    std::vector<std::unique_ptr<Dial>> held;
    const SourcePool single({address("127.0.0.2")});
    for (int i = 0; i < 10; ++i) {
      held.push_back(std::make_unique<Dial>(routes, single, kNotByItself));
      ASSERT_TRUE(held.back()->result());
    }
    EXPECT_EQ(Dial(routes, single, kNotByItself).failure(), Code::kNoPort);

    const SourcePool both({address("127.0.0.2"), address("127.0.0.3")});
    Dial skipping(routes, both, kNotByItself);
    ASSERT_TRUE(skipping.result());
    const auto from = sys::local_endpoint(skipping.result()->stream.fd());
    EXPECT_EQ(from->address, address("127.0.0.3"));

    // Ports are scarce per destination, not per source address.
    const Listener other("127.0.0.1:30002");
    EXPECT_TRUE(Dial(routes_to({other.at()}), single, kNotByItself).result());
  });
}

TEST(Reach, RunsOutOfPortsWithoutSourceAddressesToo) {
  in_own_network("40000 40003", [] {
    const Listener origin("127.0.0.1:30001", 64);
    const auto routes = routes_to({origin.at()});
    std::vector<std::unique_ptr<Dial>> held;
    for (int i = 0; i < 4; ++i) {
      held.push_back(std::make_unique<Dial>(routes, SourcePool(), kNotByItself));
      ASSERT_TRUE(held.back()->result());
    }
    EXPECT_EQ(Dial(routes, {}, kNotByItself).failure(), Code::kNoPort);
  });
}

TEST(Reach, AsksTheKernelForAPortNoMoreOnceBothSayThatThereIsNone) {
  in_own_network("40000 40003", [] {
    const auto shared = std::make_shared<Shared>();
    PortRoom room;
    room.ports = 4;
    shared->ports.set_room(room);
    const Listener origin("127.0.0.1:30001", 64);
    const auto routes = routes_to({origin.at()});
    const SourcePool single({address("127.0.0.2")}),
        both({address("127.0.0.2"), address("127.0.0.3")});
    std::vector<std::unique_ptr<Dial>> held;
    for (int i = 0; i < 4; ++i) {
      held.push_back(std::make_unique<Dial>(routes, single, kNotByItself, Duration{}, shared));
      ASSERT_TRUE(held.back()->result());
    }
    Dial asks(routes, single, kNotByItself, Duration{}, shared);
    EXPECT_EQ(asks.failure(), Code::kNoPort);
    EXPECT_EQ(asks.result().error().sys_errno, EADDRNOTAVAIL);
    Dial knows(routes, single, kNotByItself, Duration{}, shared);
    EXPECT_EQ(knows.failure(), Code::kNoPort);
    EXPECT_EQ(knows.result().error().sys_errno, 0) << "nobody asked the kernel";
    EXPECT_EQ(shared->ports.refused(), 1u);

    Dial next(routes, both, kNotByItself, Duration{}, shared);
    ASSERT_TRUE(next.result());
    EXPECT_EQ(sys::local_endpoint(next.result()->stream.fd())->address, address("127.0.0.3"));
    held.back()->result()->stream.reset_on_close();
    held.pop_back();
    EXPECT_TRUE(Dial(routes, single, kNotByItself, Duration{}, shared).result());
    EXPECT_EQ(shared->routes.open(), 0u) << "our own lack is not the route's fault";
  });
}

TEST(Reach, PassesOverARouteWhoseBreakerIsOpen) {
  const auto shared = std::make_shared<Shared>();
  const Endpoint nobody = deserted("127.1.0.30");
  const Listener origin("127.1.0.31:0");
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Dial(routes_to({nobody}), {}, kNotByItself, Duration{}, shared).failure(),
              Code::kRefused);
  }
  EXPECT_EQ(shared->routes.open(), 1u);
  Dial skipping(routes_to({nobody, origin.at()}), {}, kNotByItself, Duration{}, shared);
  ASSERT_TRUE(skipping.result());
  EXPECT_EQ(skipping.result()->peer, origin.at());
  EXPECT_EQ(shared->routes.passed_over(), 1u);
  // With nothing else to try, that is what is said; what was tried tells more.
  EXPECT_EQ(Dial(routes_to({nobody}), {}, kNotByItself, Duration{}, shared).failure(),
            Code::kBreakerOpen);
  EXPECT_EQ(Dial(routes_to({nobody, deserted("127.1.0.32")}), {}, kNotByItself, Duration{}, shared)
                .failure(),
            Code::kRefused);
}

// Ends reach() at once; several rounds of it, as many as would open a breaker.
void time_out(const std::vector<Endpoint>& to, Duration attempt, Duration patience,
              const std::shared_ptr<Shared>& shared) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Dial(routes_to(to), {}, attempt, patience, shared).failure(), Code::kDialTimeout);
  }
}

TEST(Reach, TakesSilenceForAFailureOfTheRoute) {
  const auto shared = std::make_shared<Shared>();
  const Silence silent("127.1.0.33:0");
  time_out({silent.at()}, kMinAttemptDelay, milliseconds(15), shared);
  EXPECT_EQ(shared->routes.open(), 1u);
}

TEST(Reach, DoesNotBlameARouteForTimeThatItNeverHad) {
  const auto shared = std::make_shared<Shared>();
  const Silence first("127.1.0.34:0"), second("127.1.0.35:0");
  // The second attempt begins after 10 ms and is ended after 5 more.
  time_out({first.at(), second.at()}, kMinAttemptDelay, milliseconds(15), shared);
  EXPECT_EQ(shared->routes.open(), 1u);
}

TEST(Reach, DoesNotBlameTheRouteThatLostTheRace) {
  const auto shared = std::make_shared<Shared>();
  const Silence silent("127.1.0.36:0");
  const Listener origin("127.1.0.37:0", 64);
  for (int i = 0; i < 20; ++i) {
    Dial dial(routes_to({silent.at(), origin.at()}), {}, kMinAttemptDelay, Duration{}, shared);
    ASSERT_TRUE(dial.result());
  }
  EXPECT_EQ(shared->routes.open(), 0u);
}

// Such as a parent with which TLS is still to be spoken.
TEST(Reach, LeavesTheVerdictToWhoeverSaysThatItWillKnowMore) {
  const auto shared = std::make_shared<Shared>();
  shared->judged_later = true;
  const Listener origin("127.1.0.38:0", 64);
  for (int i = 0; i < 20; ++i) {
    Dial dial(routes_to({origin.at()}), {}, kNotByItself, Duration{}, shared);
    ASSERT_TRUE(dial.result());
    ASSERT_TRUE(dial.result()->leave);
    dial.result()->leave.failed(Code::kParentTls, dial.loop().now());
  }
  EXPECT_EQ(shared->routes.open(), 1u);
  shared->judged_later = false;
  const Listener other("127.1.0.39:0");
  Dial dial(routes_to({other.at()}), {}, kNotByItself, Duration{}, shared);
  ASSERT_TRUE(dial.result());
  EXPECT_FALSE(dial.result()->leave);
}

TEST(Reach, TakesAConnectionToItselfForARefusal) {
  in_own_network("40000 40000", [] {
    // Nobody listens, and the only port that the kernel can pick is the one that is dialled.
    Dial dial(routes_to({endpoint("127.0.0.1:40000")}), {}, kNotByItself);
    EXPECT_EQ(dial.failure(), Code::kRefused);
    EXPECT_EQ(dial.result().error().sys_errno, 0) << "the kernel saw nothing wrong";
  });
}

TEST(Reach, SaysThatThereIsNoRoute) {
  in_own_network("40000 40009", [] {  // has loopback and nothing else
    Dial dial(routes_to({endpoint("203.0.113.1:443"), endpoint("[2001:db8::1]:443")}), {},
              kNotByItself);
    EXPECT_EQ(dial.failure(), Code::kUnroutable);
  });
}

std::vector<std::string> order_of(const std::vector<std::string>& given) {
  std::vector<Endpoint> endpoints;
  for (const std::string& text : given) endpoints.push_back(endpoint(text));
  std::vector<std::string> order;
  for (const Endpoint& to : interleave(routes_to(endpoints))) order.push_back(to.text());
  return order;
}

TEST(Interleave, AlternatesFamiliesBeginningWithTheFirstRoutes) {
  using Order = std::vector<std::string>;
  const std::string a4 = "192.0.2.1:1", b4 = "192.0.2.2:1", c4 = "192.0.2.3:1";
  const std::string a6 = "[2001:db8::1]:1", b6 = "[2001:db8::2]:1", c6 = "[2001:db8::3]:1";
  EXPECT_EQ(order_of({}), Order());
  EXPECT_EQ(order_of({a4}), Order({a4}));
  EXPECT_EQ(order_of({a6, b6, a4, b4}), Order({a6, a4, b6, b4}));
  EXPECT_EQ(order_of({a4, a6, b6, b4}), Order({a4, a6, b4, b6}));
  EXPECT_EQ(order_of({a6, b6, c6, a4}), Order({a6, a4, b6, c6}));
  EXPECT_EQ(order_of({a4, b4, c4, a6}), Order({a4, a6, b4, c4}));
  EXPECT_EQ(order_of({a6, b6, c6}), Order({a6, b6, c6}));
  EXPECT_EQ(order_of({a4, b4, c4}), Order({a4, b4, c4}));
}

TEST(Interleave, StopsAtTheCapWithBothFamiliesAmongTheRest) {
  std::vector<std::string> given;
  for (int i = 1; i <= 40; ++i) given.push_back("192.0.2." + std::to_string(i) + ":1");
  given.push_back("[2001:db8::1]:1");
  const auto order = order_of(given);
  ASSERT_EQ(order.size(), kMaxRoutes);
  EXPECT_EQ(order[1], "[2001:db8::1]:1");
}

TEST(DialError, NamesTheSideThatFailed) {
  EXPECT_EQ(dial_error(ECONNREFUSED).code, Code::kRefused);
  EXPECT_EQ(dial_error(ECONNRESET).code, Code::kRefused);
  EXPECT_EQ(dial_error(ETIMEDOUT).code, Code::kDialTimeout);
  for (int error : {ENETUNREACH, EHOSTUNREACH, EACCES, EPERM, EAFNOSUPPORT}) {
    EXPECT_EQ(dial_error(error).code, Code::kUnroutable) << error;
  }
  for (int error : {EADDRNOTAVAIL, EAGAIN}) EXPECT_EQ(dial_error(error).code, Code::kNoPort);
  for (int error : {EMFILE, ENFILE}) EXPECT_EQ(dial_error(error).code, Code::kNoDescriptor);
  EXPECT_EQ(dial_error(EINVAL).code, Code::kDialFailed);
  EXPECT_EQ(dial_error(EINVAL).sys_errno, EINVAL);
}

}  // namespace
}  // namespace penstock::dial
