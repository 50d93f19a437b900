#include "server/sockets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "sys/process.h"
#include "sys/socket.h"

namespace penstock::server {
namespace {

using testing::HasSubstr;

config::Config listening_on(std::initializer_list<Endpoint> at) {
  config::Config out;
  for (const Endpoint& endpoint : at) out.listeners.emplace_back().address = endpoint;
  return out;
}
Endpoint loopback(uint16_t port) {
  return {IpAddress::from_v4(127, 0, 0, 1), port};
}
Endpoint bound(const sys::Fd& fd) {
  return sys::local_endpoint(fd.get()).value();
}

TEST(Sockets, GiveEachWorkerOneOfItsOwnOnTheSamePort) {
  const auto sockets = open_sockets(listening_on({loopback(0), loopback(0)}), 3, {});
  ASSERT_TRUE(sockets) << sockets.error();
  ASSERT_EQ(sockets->listeners.size(), 2u);
  EXPECT_NE(sockets->listeners[0].port, 0);
  EXPECT_NE(sockets->listeners[0], sockets->listeners[1]);
  ASSERT_EQ(sockets->per_worker.size(), 3u);
  for (const auto& worker : sockets->per_worker) {
    ASSERT_EQ(worker.size(), 2u);
    EXPECT_EQ(bound(worker[0].fd), sockets->listeners[0]);
    EXPECT_EQ(bound(worker[1].fd), sockets->listeners[1]);
  }
  EXPECT_FALSE(sockets->admin);
}

TEST(Sockets, OpenTheAdminListenerWhereItIsConfigured) {
  config::Config config = listening_on({loopback(0)});
  config.admin = loopback(0);
  const auto sockets = open_sockets(config, 1, {});
  ASSERT_TRUE(sockets) << sockets.error();
  EXPECT_EQ(bound(sockets->admin), sockets->admin_address);
  EXPECT_NE(sockets->admin_address.port, 0);
}

TEST(Sockets, SayWhatToDoWhenAPortIsInUse) {
  const auto taken = sys::open_listener(loopback(0), {}).value();
  const auto sockets = open_sockets(listening_on({bound(taken)}), 1, {});
  ASSERT_FALSE(sockets);
  EXPECT_THAT(sockets.error(), HasSubstr("cannot listen on " + bound(taken).text()));
  EXPECT_THAT(sockets.error(), HasSubstr("--listen"));
  EXPECT_EQ(sockets.error().find('\n'), std::string::npos) << "one line";
}

// SO_REUSEPORT lets any process of the same user join in: half of the connections would go to the
// other one.
TEST(Sockets, DoNotJoinAnotherProxyOnItsPort) {
  const auto first = open_sockets(listening_on({loopback(0)}), 2, {});
  ASSERT_TRUE(first);
  const auto second = open_sockets(listening_on({first->listeners[0]}), 2, {});
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error(), HasSubstr("another process listens there"));
}

TEST(Sockets, SayWhatToDoWhenTheAddressIsNotOurs) {
  const auto sockets = open_sockets(listening_on({*Endpoint::parse("192.0.2.1:0")}), 1, {});
  ASSERT_FALSE(sockets);
  EXPECT_THAT(sockets.error(), HasSubstr("no interface with that address"));
}

TEST(Sockets, FromTheServiceManagerTakeThePlaceOfConfiguredOnes) {
  std::vector<sys::Fd> inherited;
  inherited.push_back(sys::open_listener(loopback(0), {}).value());
  const Endpoint at = bound(inherited[0]);
  const auto sockets = open_sockets(listening_on({loopback(0)}), 2, std::move(inherited));
  ASSERT_TRUE(sockets) << sockets.error();
  ASSERT_EQ(sockets->listeners.size(), 1u);
  EXPECT_EQ(sockets->listeners[0], at);
  for (const auto& worker : sockets->per_worker) {
    ASSERT_EQ(worker.size(), 1u);
    EXPECT_EQ(bound(worker[0].fd), at);
  }
}

std::vector<sys::Fd> passed(int count) {
  std::vector<sys::Fd> out;
  while (count-- > 0) out.push_back(sys::open_listener(loopback(0), {}).value());
  return out;
}

TEST(Sockets, FromTheServiceManagerHaveTheOptionsOfTheConfiguredOnesInOrder) {
  const auto sockets = open_sockets(listening_on({loopback(0), loopback(0)}), 2, passed(2));
  ASSERT_TRUE(sockets) << sockets.error();
  for (const auto& worker : sockets->per_worker) {
    ASSERT_EQ(worker.size(), 2u);
    EXPECT_EQ(worker[0].place, 0);
    EXPECT_EQ(worker[1].place, 1);
  }
}

TEST(Sockets, FromTheServiceManagerAllHaveTheOptionsOfASingleConfiguredOne) {
  const auto sockets = open_sockets(listening_on({loopback(0)}), 1, passed(3));
  ASSERT_TRUE(sockets) << sockets.error();
  ASSERT_EQ(sockets->per_worker[0].size(), 3u);
  for (const auto& socket : sockets->per_worker[0]) EXPECT_EQ(socket.place, 0);
}

TEST(Sockets, FromTheServiceManagerAreRefusedWhereItIsNotSaidWhoseOptionsTheyHave) {
  const auto sockets = open_sockets(listening_on({loopback(0), loopback(0)}), 1, passed(3));
  ASSERT_FALSE(sockets);
  EXPECT_THAT(sockets.error(), HasSubstr("systemd passed 3 sockets and `listeners:` has 2"));
}

TEST(Sockets, FromTheServiceManagerMustBeTcp) {
  std::vector<sys::Fd> inherited;
  inherited.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto sockets = open_sockets(listening_on({}), 1, std::move(inherited));
  ASSERT_FALSE(sockets);
  EXPECT_THAT(sockets.error(), HasSubstr("ListenStream="));
}

TEST(Sockets, HaveTheirOptionsInheritedByWhatTheyAccept) {
  auto sockets = open_sockets(listening_on({loopback(0)}), 1, {});
  ASSERT_TRUE(sockets);
  const auto client = sys::start_connect(sockets->listeners[0], {}).value();
  const auto accepted = sys::accept_connection(sockets->per_worker[0][0].fd.get()).value();
  int on = 0;
  socklen_t size = sizeof(on);
  ASSERT_EQ(::getsockopt(accepted.fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, &size), 0);
  EXPECT_EQ(on, 1);
}

}  // namespace
}  // namespace penstock::server
