#include "dial/spares.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dial/rig_test.h"

namespace penstock::dial {
namespace {

using namespace std::chrono_literals;

class SpareConnections : public testing::Test {
 protected:
  ~SpareConnections() override {
    spares.reset();
    tunnels.clear();
    EXPECT_EQ(loop::live_frames(), 0);
    EXPECT_EQ(door.seats_taken(), 0u);
    for (const auto& [source, ports] : shared.ports.counts(loop.now())) {
      EXPECT_EQ(ports.in_use, 0u);
    }
  }

  void begin(const config::Spares& settings) {
    config.dial.spares = settings;
    spares =
        std::make_unique<Spares>(loop, Means{sources, shared.ports, shared.routes}, door, config);
  }
  config::Spares listed(Duration age = 1h, uint64_t each = 2) const {
    return {.destinations = {target}, .popular = 0, .each = each, .age = age};
  }
  // A CONNECT that was dialled.
  void tunnel(const Endpoint& to) {
    tunnels.push_back(reach_now(routes_to({to})));
    spares->follow(target, routes_to({to}), *tunnels.back());
  }
  std::optional<Reached> reach_now(const std::vector<policy::Route>& routes) {
    std::optional<Result<Reached>> out;
    loop::TaskSet tasks;
    const auto dial = [&]() -> loop::RootTask {
      out = co_await reach(loop, routes, Means{sources, shared.ports, shared.routes}, 1h, kNever);
    };
    tasks.start(dial());
    until([&] { return out.has_value(); });
    EXPECT_TRUE(*out);
    return std::move(**out);
  }
  // What a tunnel to `to` would have brought, but for the stream.
  Reached reached_at(const Endpoint& to) {
    return {shared.ports.take({}, to, loop.now()), loop::Stream(), to};
  }
  template <class Done>
  void until(Done&& done) {
    loop::Timer tick(loop);
    const Instant end = loop.read_clock() + 20s;
    while (!done()) {
      ASSERT_LT(loop.read_clock(), end) << "waited in vain";
      tick.arm(loop.now() + 1ms);
      loop.turn(true);
    }
  }
  void until_ready(uint64_t count) {
    until([&] { return spares->counts().ready == count; });
  }
  void settle() {
    for (int i = 0; i < 50; ++i) loop.turn(false);
  }

  const http::Authority target{"lab.example", {}, 443};
  loop::Loop loop;
  SourcePool sources;
  Shared shared;
  admission::Door door{admission::DoorLimits{.seats = 100}};
  config::Config config;
  std::vector<std::optional<Reached>> tunnels;
  std::unique_ptr<Spares> spares;
};

TEST_F(SpareConnections, AreMadeBehindATunnelAndHandedOutOnce) {
  const Listener origin("127.3.0.1:0");
  begin(listed());
  tunnel(origin.at());
  const auto far_of_tunnel = sys::accept_connection(origin.fd()).value();
  until_ready(2);
  EXPECT_EQ(door.seats_taken(), 2u);
  const auto first = sys::accept_connection(origin.fd()).value();
  const auto second = sys::accept_connection(origin.fd()).value();

  const auto routes = routes_to({origin.at()});
  auto taken = spares->take(routes);
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->peer, origin.at());
  EXPECT_TRUE(taken->port);
  const auto from = sys::local_endpoint(taken->stream.fd());
  EXPECT_TRUE(from == first.peer || from == second.peer);
  EXPECT_EQ(door.seats_taken(), 1u) << "who takes it has a seat";
  EXPECT_TRUE(spares->take(routes));
  EXPECT_FALSE(spares->take(routes));
  EXPECT_EQ(spares->counts().used, 2u);
  EXPECT_EQ(spares->counts().ready, 0u);
}

TEST_F(SpareConnections, AreNotMadeUnlessTheyAreAskedFor) {
  const Listener origin("127.3.0.2:0");
  begin({});
  tunnel(origin.at());
  settle();
  EXPECT_EQ(door.seats_taken(), 0u);
  begin({.destinations = {{"other.example", {}, 443}, {"lab.example", {}, 444}}});
  tunnel(origin.at());
  settle();
  EXPECT_EQ(door.seats_taken(), 0u);
}

TEST_F(SpareConnections, AreMadeForWhatIsAskedForOften) {
  const Listener origin("127.3.0.3:0");
  begin({.destinations = {}, .popular = 1, .each = 1});
  tunnel(origin.at());
  settle();
  EXPECT_EQ(door.seats_taken(), 0u) << "asked for once";
  tunnel(origin.at());
  until_ready(1);
}

TEST_F(SpareConnections, AreMadeAnewWhenOneIsUsedAndNeverMoreThanEach) {
  const Listener origin("127.3.0.4:0");
  begin(listed());
  const auto routes = routes_to({origin.at()});
  tunnel(origin.at());
  tunnel(origin.at());
  until_ready(2);
  settle();
  EXPECT_EQ(door.seats_taken(), 2u);
  const auto used = spares->take(routes);
  ASSERT_TRUE(used);
  spares->follow(target, routes, *used);
  until_ready(2);
}

TEST_F(SpareConnections, GoOnlyToWhoBringsARouteThere) {
  const Listener origin("127.3.0.5:0"), other("127.3.0.6:0");
  begin(listed());
  tunnel(origin.at());
  until_ready(2);
  EXPECT_FALSE(spares->take(routes_to({other.at()})));
  EXPECT_FALSE(spares->take({}));
  EXPECT_TRUE(spares->take(routes_to({other.at(), origin.at()})));
}

TEST_F(SpareConnections, AreThrownAwayWhenTheOriginEndsThem) {
  const Listener origin("127.3.0.7:0");
  begin(listed());
  tunnel(origin.at());
  (void)sys::accept_connection(origin.fd()).value();  // the tunnel's
  until_ready(2);
  {
    auto ended = sys::accept_connection(origin.fd()).value();
    auto reset = sys::accept_connection(origin.fd()).value();
    sys::reset_on_close(reset.fd.get());
  }
  until_ready(0);
  EXPECT_EQ(spares->counts().closed, 2u);
  EXPECT_EQ(door.seats_taken(), 0u);
}

TEST_F(SpareConnections, AreThrownAwayWhenTheOriginSpeaksFirst) {
  const Listener origin("127.3.0.8:0");
  begin(listed(1h, 1));
  tunnel(origin.at());
  (void)sys::accept_connection(origin.fd()).value();
  until_ready(1);
  auto far = sys::accept_connection(origin.fd()).value();
  ASSERT_EQ(::send(far.fd.get(), "220 ready", 9, MSG_NOSIGNAL), 9);
  until_ready(0);
  EXPECT_EQ(spares->counts().closed, 1u);
}

TEST_F(SpareConnections, ThatHaveJustBeenEndedAreNeverHandedOut) {
  const Listener origin("127.3.0.9:0");
  begin(listed());
  tunnel(origin.at());
  (void)sys::accept_connection(origin.fd()).value();
  until_ready(2);
  // Both at once, and no turn of the loop in which epoll could tell of it.
  auto spoken = sys::accept_connection(origin.fd()).value();
  ASSERT_EQ(::send(spoken.fd.get(), "x", 1, MSG_NOSIGNAL), 1);
  sys::accept_connection(origin.fd()).value().fd.reset();
  EXPECT_FALSE(spares->take(routes_to({origin.at()})));
  EXPECT_EQ(spares->counts().closed, 2u);
  EXPECT_EQ(spares->counts().used, 0u);
}

TEST_F(SpareConnections, GoWhenTheyAreTooOldAndTheirPortRests) {
  const Listener origin("127.3.0.10:0");
  begin(listed(20ms));
  tunnel(origin.at());
  until([&] { return spares->counts().expired == 2; });
  EXPECT_EQ(spares->counts().ready, 0u);
  EXPECT_EQ(door.seats_taken(), 0u);
  EXPECT_EQ(shared.ports.counts(loop.now())[IpAddress{}].resting, 2u);
}

TEST_F(SpareConnections, GoWithTheConfigurationAlsoWhileTheyAreBeingDialled) {
  const Listener origin("127.3.0.11:0");
  const Silence silent("127.3.0.12:0");
  begin(listed());
  tunnel(origin.at());
  until_ready(2);
  spares->adopt(config);
  EXPECT_EQ(spares->counts().ready, 0u);
  EXPECT_FALSE(spares->take(routes_to({origin.at()})));
  EXPECT_EQ(door.seats_taken(), 0u);

  spares->follow(target, routes_to({silent.at()}), reached_at(silent.at()));
  settle();
  EXPECT_EQ(door.seats_taken(), 2u);
  spares->close();
  EXPECT_EQ(door.seats_taken(), 0u);
  EXPECT_EQ(loop::live_frames(), 0);
  tunnel(origin.at());
  settle();
  EXPECT_EQ(door.seats_taken(), 0u) << "made after it was closed";
}

TEST_F(SpareConnections, AreNotMadeAndGoWhereSeatsAreShort) {
  const Listener origin("127.3.0.13:0");
  begin(listed());
  tunnel(origin.at());
  until_ready(2);
  std::vector<admission::Seat> clients;
  while (door.seats_taken() <= 75) clients.push_back(door.take_seat());
  spares->yield();
  EXPECT_EQ(spares->counts().ready, 0u);
  while (door.seats_taken() <= 75) clients.push_back(door.take_seat());
  tunnel(origin.at());
  settle();
  EXPECT_EQ(door.seats_taken(), clients.size());
}

TEST_F(SpareConnections, AreNotMadeAndGoWhereMemoryIsShort) {
  const Listener origin("127.3.0.16:0");
  begin(listed());
  tunnel(origin.at());
  until_ready(2);
  door.set_memory_short(true);
  spares->yield();
  EXPECT_EQ(door.seats_taken(), 0u);
  tunnel(origin.at());
  settle();
  EXPECT_EQ(door.seats_taken(), 0u);
}

TEST_F(SpareConnections, AreNotMadeWherePortsAreScarce) {
  const Listener origin("127.3.0.14:0");
  PortRoom room;
  room.ports = 4;
  shared.ports.set_room(room);
  begin(listed(1h, 1));
  for (int i = 0; i < 3; ++i) tunnels.push_back(reach_now(routes_to({origin.at()})));
  tunnel(origin.at());
  settle();
  EXPECT_EQ(door.seats_taken(), 0u);
}

TEST_F(SpareConnections, ThatFailAreCountedAndTellTheBreaker) {
  begin(listed());
  const Endpoint nobody = deserted("127.3.0.15");
  for (int i = 0; i < 10; ++i) {
    spares->follow(target, routes_to({nobody}), reached_at(nobody));
    const auto expected = static_cast<uint64_t>(2 * (i + 1));
    until([&] { return spares->counts().failed == expected; });
  }
  EXPECT_EQ(shared.routes.open(), 1u);
}

}  // namespace
}  // namespace penstock::dial
