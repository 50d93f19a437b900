// Permits: who gets one, who waits for one and in which order, and that no limit is ever exceeded.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <thread>

#include "admission/door.h"
#include "base/random.h"

namespace penstock::admission {
namespace {

using namespace std::chrono_literals;
using State = Permit::State;

IpAddress client(uint8_t number) {
  return IpAddress::from_v4(127, 0, 1, number);
}

http::Authority authority(std::string_view text) {
  return *http::parse_authority(text);
}

// A door with a clock that is set by hand.
class PermitTest : public testing::Test {
 protected:
  static DoorLimits limits(uint64_t pending, uint64_t at_destination, uint64_t queue) {
    DoorLimits out;
    out.pending = pending;
    out.destination = {Adapt::kOff, at_destination};
    out.queue = queue;
    return out;
  }

  void open(const DoorLimits& limits) { door_ = std::make_unique<Door>(limits); }

  Permit& ask(std::string_view target, const IpAddress& from = client(1)) {
    auto& permit = permits_.emplace_back(std::make_unique<Permit>(*door_));
    permit->ask(authority(target), from, now_);
    return *permit;
  }
  void drop(Permit& permit) {
    std::erase_if(permits_, [&](const auto& one) { return one.get() == &permit; });
  }

  Instant now_{1h};
  std::unique_ptr<Door> door_;
  std::deque<std::unique_ptr<Permit>> permits_;  // before the door
  void TearDown() override {
    permits_.clear();
    if (door_) EXPECT_EQ(door_->pending(), 0u);
  }
};

TEST_F(PermitTest, RefusesTheDestinationThatIsBusyAndNoOther) {
  open(limits(10, 2, 0));
  Permit& first = ask("slow.example:443");
  ask("slow.example:443");
  Permit& third = ask("slow.example:443");
  EXPECT_EQ(third.state(), State::kRefused);
  EXPECT_EQ(third.denial().error.code, Code::kDestinationBusy);
  EXPECT_EQ(ask("slow.example:8443").state(), State::kHeld);
  EXPECT_EQ(ask("other.example:443").state(), State::kHeld);
  first.settle(1ms, std::nullopt, now_);
  EXPECT_EQ(ask("slow.example:443").state(), State::kHeld);
}

TEST_F(PermitTest, RefusesSetUpsPastTheLimitOfAllWhateverTheirDestination) {
  open(limits(1, 5, 0));
  ask("a.example:443");
  EXPECT_EQ(ask("b.example:443").denial().error.code, Code::kNoPermit);
}

TEST_F(PermitTest, WaitsAtItsDestinationAndIsCalledOnceWhenThereIsAPlace) {
  open(limits(10, 1, 8));
  Permit& first = ask("a.example:443");
  Permit& second = ask("a.example:443");
  ASSERT_EQ(second.state(), State::kAtDestination);
  int calls = 0;
  ASSERT_TRUE(second.call_me([&] { ++calls; }));
  first.settle(1ms, std::nullopt, now_);
  EXPECT_EQ(second.state(), State::kHeld);
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(second.call_me([] {})) << "it is over already";
}

TEST_F(PermitTest, AWaitThatIsGivenUpIsRefusedAndLeavesNobodyBehindInTheQueue) {
  open(limits(1, 1, 8));
  ask("a.example:443");
  Permit& at_destination = ask("a.example:443");
  Permit& in_hall = ask("b.example:443");
  Permit& behind = ask("b.example:443");
  ASSERT_EQ(in_hall.state(), State::kInHall);
  ASSERT_EQ(behind.state(), State::kAtDestination);
  EXPECT_EQ(at_destination.give_up(now_), State::kRefused);
  EXPECT_EQ(at_destination.denial().error.code, Code::kDestinationBusy);
  EXPECT_EQ(in_hall.give_up(now_), State::kRefused);
  EXPECT_EQ(in_hall.denial().error.code, Code::kNoPermit);
  EXPECT_EQ(behind.state(), State::kInHall) << "it has the place that was given up";
  EXPECT_EQ(door_->facts(now_).waiting, 1u);
}

TEST_F(PermitTest, WhoGoesWhileWaitingMakesRoomForTheNext) {
  open(limits(1, 1, 8));
  Permit& holder = ask("a.example:443");
  Permit& in_hall = ask("b.example:443");
  Permit& behind = ask("b.example:443");
  drop(in_hall);
  EXPECT_EQ(behind.state(), State::kInHall);
  drop(holder);
  EXPECT_EQ(behind.state(), State::kHeld);
}

TEST_F(PermitTest, ClientsTakeTurnsHoweverManyOfTheirSetUpsWait) {
  open(limits(1, 100, 100));
  Permit* holder = &ask("a.example:443");
  std::vector<Permit*> greedy, modest;
  for (int i = 0; i < 20; ++i) greedy.push_back(&ask("a.example:443", client(2)));
  for (int i = 0; i < 3; ++i) modest.push_back(&ask("a.example:443", client(3)));
  int served_modest = 0;
  for (int turn = 0; turn < 6; ++turn) {
    holder->settle(1ms, std::nullopt, now_);
    for (auto* one : greedy) holder = one->state() == State::kHeld ? one : holder;
    for (auto* one : modest) {
      if (one->state() != State::kHeld) continue;
      holder = one;
      ++served_modest;
    }
  }
  EXPECT_EQ(served_modest, 3) << "every second turn was his";
}

TEST_F(PermitTest, AClientAloneGetsHalfOfTheQueueAndThereIsAlwaysAPlaceForANewcomer) {
  open(limits(1, 100, 16));
  ask("a.example:443");
  int waiting = 0;
  for (int i = 0; i < 30; ++i) waiting += ask("a.example:443", client(2)).state() == State::kInHall;
  EXPECT_EQ(waiting, 8);
  for (uint8_t newcomer = 10; newcomer < 18; ++newcomer) {
    EXPECT_EQ(ask("a.example:443", client(newcomer)).state(), State::kInHall) << int{newcomer};
  }
  EXPECT_EQ(ask("a.example:443", client(99)).denial().error.code, Code::kNoPermit);
}

TEST_F(PermitTest, AStandingQueueServesTheNewestAndSendsTheOldestAway) {
  open(limits(1, 100, 100));
  Permit* holder = &ask("a.example:443");
  std::vector<Permit*> waiting;
  // Each set-up takes 30 ms and two come in that time.
  const auto newest_held = [&] {
    for (size_t i = waiting.size(); i-- > 0;) {
      if (waiting[i]->state() == State::kHeld && waiting[i] != holder) return i;
    }
    return waiting.size();
  };
  size_t refused_early = 0;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 2; ++i) waiting.push_back(&ask("a.example:443"));
    now_ += 30ms;
    holder->settle(30ms, std::nullopt, now_);
    const size_t next = newest_held();
    ASSERT_LT(next, waiting.size());
    holder = waiting[next];
    for (auto* one : waiting) refused_early += one->state() == State::kRefused ? 1 : 0;
    if (round >= 10) EXPECT_EQ(next, waiting.size() - 1) << "the newest goes first";
  }
  EXPECT_TRUE(door_->facts(now_).overloaded);
  EXPECT_GT(refused_early, 0u);
  EXPECT_LE(door_->facts(now_).waiting, 8u) << "an interval's worth, not the patience's";
}

TEST_F(PermitTest, RetryAfterIsTheQueueOverTheRateAtWhichPermitsComeBack) {
  open(limits(1, 100, 4));
  Permit* holder = &ask("a.example:443");
  for (int i = 0; i < 50; ++i) {  // ten a second
    now_ += 100ms;
    holder->settle(100ms, std::nullopt, now_);
    holder = &ask("a.example:443");
  }
  ask("a.example:443", client(2));
  ask("a.example:443", client(3));
  ask("a.example:443", client(4));
  ask("a.example:443", client(5));
  const Denial denial = ask("a.example:443", client(6)).denial();
  EXPECT_GT(denial.retry_after, 400ms);
  EXPECT_LT(denial.retry_after, 1s);
}

TEST_F(PermitTest, AnOpenBreakerRefusesAtOnceWithTheReasonAndLetsAProbeThrough) {
  DoorLimits all = limits(100, 100, 100);
  all.breaker = {.failure_percent = 50, .minimum = 4, .window = 10s, .pause = 1s, .pause_max = 8s};
  open(all);
  Breaker::Change change{};
  for (int i = 0; i < 4; ++i) {
    change = ask("a.example:443").settle(5s, Code::kDialTimeout, now_);
  }
  EXPECT_EQ(change, Breaker::Change::kOpened);
  const Permit& refused = ask("a.example:443");
  ASSERT_EQ(refused.state(), State::kRefused);
  EXPECT_EQ(refused.denial().error.code, Code::kBreakerOpen);
  EXPECT_EQ(refused.denial().cause, Code::kDialTimeout);
  EXPECT_GE(refused.denial().retry_after, 500ms);
  EXPECT_EQ(ask("b.example:443").state(), State::kHeld);
  now_ += 1s;
  Permit& probe = ask("a.example:443");
  ASSERT_EQ(probe.state(), State::kHeld);
  EXPECT_EQ(ask("a.example:443").state(), State::kRefused) << "one probe at a time";
  EXPECT_EQ(probe.settle(1ms, std::nullopt, now_), Breaker::Change::kClosed);
  EXPECT_EQ(ask("a.example:443").state(), State::kHeld);
}

TEST_F(PermitTest, AProbeWhoseClientLeavesGivesItsTurnToTheNext) {
  DoorLimits all = limits(100, 100, 100);
  all.breaker = {.failure_percent = 50, .minimum = 1, .window = 10s, .pause = 1s, .pause_max = 8s};
  open(all);
  ask("a.example:443").settle(1ms, Code::kRefused, now_);
  now_ += 1s;
  Permit& probe = ask("a.example:443");
  ASSERT_EQ(probe.state(), State::kHeld);
  drop(probe);
  EXPECT_EQ(ask("a.example:443").state(), State::kHeld);
}

TEST_F(PermitTest, WhoeverWaitsForADestinationIsTurnedAwayWhenItsBreakerOpens) {
  DoorLimits all = limits(100, 1, 100);
  all.breaker = {.failure_percent = 50, .minimum = 1, .window = 10s, .pause = 1s, .pause_max = 8s};
  open(all);
  Permit& first = ask("a.example:443");
  Permit& waiting = ask("a.example:443");
  ASSERT_EQ(waiting.state(), State::kAtDestination);
  first.settle(1ms, Code::kRefused, now_);
  EXPECT_EQ(waiting.denial().error.code, Code::kBreakerOpen);
}

TEST_F(PermitTest, ANameThatDoesNotExistAndAPolicyThatSaysNoAreNoFailures) {
  DoorLimits all = limits(100, 100, 100);
  all.breaker = {.failure_percent = 1, .minimum = 1, .window = 10s, .pause = 1s, .pause_max = 8s};
  open(all);
  for (const Code code : {Code::kNoSuchName, Code::kNoAddress, Code::kAddressDenied, Code::kNoPort,
                          Code::kClientGone, Code::kNoDescriptor}) {
    EXPECT_EQ(ask("a.example:443").settle(1ms, code, now_), Breaker::Change::kNone);
  }
  EXPECT_EQ(ask("a.example:443").state(), State::kHeld);
}

TEST_F(PermitTest, ASlowDestinationMayHaveWhatNobodyElseNeedsAndNoMoreOnceOthersDo) {
  DoorLimits all = limits(100, 40, 0);
  all.destination.adapt = Adapt::kGradient;
  open(all);
  std::deque<Permit*> slow;
  const auto take = [&] { slow.push_back(&ask("slow.example:443")); };
  for (int i = 0; i < 40; ++i) take();
  // It has got slow: each of its set-ups takes 5 s where the first took 20 ms.
  slow.front()->settle(20ms, std::nullopt, now_ += 20ms);
  slow.pop_front();
  for (int i = 0; i < 200; ++i) {
    take();
    slow.front()->settle(5s, std::nullopt, now_ += 5s / 40);
    slow.pop_front();
  }
  EXPECT_EQ(door_->destinations(now_, 1)[0].pending, 39u) << "permits are plenty";
  EXPECT_EQ(door_->destinations(now_, 1)[0].limit, AdaptiveLimit::kLeast);
  for (int i = 0; i < 20; ++i) ask("well" + std::to_string(i) + ".example:443");
  take();
  EXPECT_EQ(slow.back()->denial().error.code, Code::kDestinationBusy) << "half of them are taken";
  EXPECT_EQ(ask("well.example:443").state(), State::kHeld);
}

TEST_F(PermitTest, ANewLimitLetsInThoseWhoWait) {
  open(limits(1, 1, 8));
  ask("a.example:443");
  Permit& second = ask("a.example:443");
  Permit& third = ask("b.example:443");
  door_->set_limits(limits(3, 2, 8), now_);
  EXPECT_EQ(second.state(), State::kHeld);
  EXPECT_EQ(third.state(), State::kHeld);
}

TEST_F(PermitTest, RemembersABoundedNumberOfDestinations) {
  open(limits(0, 10, 0));
  for (size_t i = 0; i < Door::kRemembered + 1000; ++i) {
    ask("h" + std::to_string(i) + ".example:443").settle(1ms, std::nullopt, now_);
    permits_.clear();
  }
  EXPECT_EQ(door_->facts(now_).destinations, Door::kRemembered);
}

// Any schedule: no limit is ever exceeded, whoever asks is served or refused, and in the end
// nothing is left.
TEST_F(PermitTest, HoldsEveryLimitOverRandomSchedules) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    DoorLimits all = limits(1 + random.below(8), 1 + random.below(4), random.below(12));
    all.destination.adapt = static_cast<Adapt>(random.below(3));
    all.breaker.minimum = 3;
    open(all);
    std::map<std::string, int> asked;
    for (int step = 0; step < 3000; ++step) {
      now_ += std::chrono::microseconds(random.below(20'000));
      const uint64_t dice = random.below(10);
      if (dice < 5 || permits_.empty()) {
        const std::string target(1, static_cast<char>('a' + random.below(4)));
        ask(target + ".example:443", client(static_cast<uint8_t>(random.below(3))));
      } else {
        Permit& permit = *permits_[random.below(permits_.size())];
        const State state = permit.state();
        if (dice == 9 || state == State::kRefused || state == State::kNone) {
          drop(permit);
        } else if (state == State::kHeld) {
          const bool fails = random.below(4) == 0;
          permit.settle(std::chrono::milliseconds(random.below(100)),
                        fails ? std::optional(Code::kDialTimeout) : std::nullopt, now_);
        } else if (dice == 8) {
          permit.give_up(now_);
        }
      }
      uint64_t held = 0, waiting = 0;
      for (const auto& one : permits_) {
        held += one->state() == State::kHeld ? 1 : 0;
        waiting += one->state() == State::kInHall || one->state() == State::kAtDestination ? 1 : 0;
      }
      const Door::Facts facts = door_->facts(now_);
      ASSERT_EQ(facts.pending, held);
      ASSERT_EQ(facts.waiting, waiting);
      ASSERT_LE(held, all.pending);
      ASSERT_LE(waiting, all.queue);
      for (const auto& at : door_->destinations(now_, 10)) {
        ASSERT_LE(at.pending, all.destination.most);
        ASSERT_TRUE(at.waiting == 0 ||
                    at.pending + facts.waiting >= std::min<uint64_t>(1, at.limit))
            << "somebody waits where nobody can call him";
      }
      ASSERT_TRUE(waiting == 0 || held > 0) << "everybody waits and nobody works";
    }
    permits_.clear();
    ASSERT_EQ(door_->facts(now_).pending, 0u);
    ASSERT_EQ(door_->facts(now_).waiting, 0u);
  }
}

TEST(Permit, HoldsItsLimitAndLosesNobodyWhenThreadsRace) {
  DoorLimits limits;
  limits.pending = 4;
  limits.destination = {Adapt::kGradient, 3};
  limits.queue = 64;
  Door door(limits);
  std::atomic<int> holders{0}, most{0}, served{0};
  std::vector<std::jthread> threads;
  for (uint8_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 3000; ++i) {
        Permit permit(door);
        std::atomic<bool> called{false};
        const auto target = authority(i % 2 == 0 ? "a.example:443" : "b.example:443");
        permit.ask(target, client(t), Clock::now());
        if (permit.call_me([&] {
              called = true;
              called.notify_all();
            })) {
          called.wait(false);
        }
        if (permit.state() != State::kHeld) continue;
        const int now = ++holders;
        for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
        }
        --holders;
        ++served;
        permit.settle(std::chrono::microseconds(10), std::nullopt, Clock::now());
      }
    });
  }
  threads.clear();
  EXPECT_LE(most, 4);
  EXPECT_GT(served, 0);
  EXPECT_EQ(door.pending(), 0u);
}

}  // namespace
}  // namespace penstock::admission
