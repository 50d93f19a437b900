#include "dial/idle_origins.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "dial/rig_test.h"

namespace penstock::dial {
namespace {

using namespace std::chrono_literals;

class OriginsBetweenRequests : public testing::Test {
 protected:
  ~OriginsBetweenRequests() override {
    idle.close();
    EXPECT_EQ(loop::live_frames(), 0);
    EXPECT_EQ(door.seats_taken(), 0u);
  }

  Reached reach_now(const Endpoint& to) {
    std::optional<Result<Reached>> out;
    loop::TaskSet tasks;
    const auto routes = routes_to({to});
    const auto dial = [&]() -> loop::RootTask {
      out = co_await reach(loop, routes, Means{sources, shared.ports, shared.routes}, 1h, kNever);
    };
    tasks.start(dial());
    loop::Timer tick(loop);
    while (!out) {
      tick.arm(loop.read_clock() + 1ms);
      loop.turn(true);
    }
    return std::move(**out);
  }

  const http::Authority target{"lab.example", {}, 80};
  loop::Loop loop;
  SourcePool sources{{}};
  Shared shared;
  admission::Door door{admission::DoorLimits{.seats = 40, .pending = 40}};
  IdleOrigins idle{loop, door};
  Listener origin{"127.0.0.1:0", 64};
};

TEST_F(OriginsBetweenRequests, AreHandedOutOnceToWhoMayGoThere) {
  idle.keep(target, reach_now(origin.at()), nullptr);
  EXPECT_EQ(door.seats_taken(), 1u);
  const http::Authority other{"other.example", {}, 80};
  EXPECT_FALSE(idle.take(other, routes_to({origin.at()}), nullptr))
      << "another site at the same address";
  EXPECT_FALSE(idle.take(target, routes_to({endpoint("127.0.0.1:9")}), nullptr))
      << "not where the rules lead now";
  EXPECT_TRUE(idle.take(target, routes_to({endpoint("127.0.0.1:9"), origin.at()}), nullptr));
  EXPECT_FALSE(idle.take(target, routes_to({origin.at()}), nullptr));
  EXPECT_EQ(idle.reused(), 1u);
  EXPECT_EQ(door.seats_taken(), 0u);
}

TEST_F(OriginsBetweenRequests, GoOnlyToWhoTrustsThemByTheSame) {
  const IdleOrigins::Trust ours = std::make_shared<const int>(1);
  const IdleOrigins::Trust others = std::make_shared<const int>(1);
  idle.keep(target, reach_now(origin.at()), ours);
  EXPECT_FALSE(idle.take(target, routes_to({origin.at()}), nullptr));
  EXPECT_FALSE(idle.take(target, routes_to({origin.at()}), others));
  EXPECT_TRUE(idle.take(target, routes_to({origin.at()}), ours));
}

TEST_F(OriginsBetweenRequests, AreBoundedForEachAuthority) {
  for (size_t i = 0; i < IdleOrigins::kMaxEach + 3; ++i)
    idle.keep(target, reach_now(origin.at()), nullptr);
  EXPECT_EQ(idle.size(), IdleOrigins::kMaxEach);
}

TEST_F(OriginsBetweenRequests, GoWhereSeatsAreShort) {
  idle.keep(target, reach_now(origin.at()), nullptr);
  std::vector<admission::Seat> seats;
  for (int i = 0; i < 35; ++i) seats.push_back(door.take_seat());
  idle.yield();
  EXPECT_EQ(idle.size(), 0u);
  idle.keep(target, reach_now(origin.at()), nullptr);
  EXPECT_EQ(idle.size(), 0u);
}

TEST_F(OriginsBetweenRequests, AreGivenUpForGoodWhenTheProxyDrains) {
  idle.keep(target, reach_now(origin.at()), nullptr);
  idle.close();
  EXPECT_EQ(idle.size(), 0u);
  idle.keep(target, reach_now(origin.at()), nullptr);
  EXPECT_EQ(idle.size(), 0u);
}

}  // namespace
}  // namespace penstock::dial
