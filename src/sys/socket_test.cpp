#include "sys/socket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace penstock::sys {
namespace {

Endpoint endpoint(const char* text) {
  return Endpoint::parse(text).value();
}

int option(int fd, int level, int name) {
  int value = -1;
  socklen_t length = sizeof(value);
  EXPECT_EQ(::getsockopt(fd, level, name, &value, &length), 0);
  return value;
}

bool is_open(int number) {
  return ::fcntl(number, F_GETFD) >= 0;
}

bool has_ipv6() {
  return open_listener(endpoint("[::1]:0"), {}).has_value();
}

void wait_for(int fd, short events) {
  pollfd waiting{fd, events, 0};
  ASSERT_EQ(::poll(&waiting, 1, 20'000), 1);
}

struct Connection {
  explicit Connection(const char* at, std::optional<IpAddress> source = {})
      : listener(open_listener(endpoint(at), {}).value()),
        client(start_connect(local_endpoint(listener.get()).value(), source).value()),
        accepted(accept_connection(listener.get()).value()) {}
  Fd listener;
  Fd client;
  Accepted accepted;
};

TEST(Fd, ClosesOnceWhoeverHoldsIt) {
  Fd first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int number = first.get();
  Fd second(std::move(first));
  EXPECT_FALSE(first);
  first.reset();
  EXPECT_TRUE(is_open(number)) << "a moved-from Fd closed it";
  second.reset();
  EXPECT_FALSE(is_open(number));
  const Fd reused(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(reused.get(), number);
  second.reset();
  EXPECT_TRUE(is_open(number)) << "a second reset closed somebody else's";
}

TEST(Fd, ClosesWhatItHeldWhenItIsAssignedTo) {
  Fd target(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  Fd other(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int replaced = target.get(), kept = other.get();
  target = std::move(other);
  EXPECT_FALSE(is_open(replaced));
  EXPECT_EQ(target.get(), kept);
  EXPECT_TRUE(is_open(kept));
}

TEST(Fd, LetsGoWithoutClosing) {
  Fd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const Fd again(fd.release());
  EXPECT_FALSE(fd);
  EXPECT_TRUE(is_open(again.get()));
}

TEST(OpenListener, SaysThatThePortIsTaken) {
  const auto first = open_listener(endpoint("127.0.0.1:0"), {});
  const auto second = open_listener(*local_endpoint(first->get()), {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error(), EADDRINUSE);
}

TEST(OpenListener, SharesThePortWithItsSiblingsWhenAsked) {
  const auto first = open_listener(endpoint("127.0.0.1:0"), {.share_port = true});
  const auto second = open_listener(*local_endpoint(first->get()), {.share_port = true});
  ASSERT_TRUE(second);
  EXPECT_EQ(option(second->get(), SOL_SOCKET, SO_REUSEPORT), 1);
  EXPECT_EQ(local_endpoint(first->get()), local_endpoint(second->get()));
  EXPECT_FALSE(open_listener(*local_endpoint(first->get()), {})) << "and with nobody else";
}

TEST(OpenListener, LeavesIpv4ToItsOwnListener) {
  if (!has_ipv6()) GTEST_SKIP() << "no IPv6 here";
  // On one port somebody else may be on IPv4; not on so many.
  int both = 0;
  for (int i = 0; i < 20; ++i) {
    const auto listener = open_listener(endpoint("[::]:0"), {});
    ASSERT_TRUE(listener);
    EXPECT_EQ(option(listener->get(), IPPROTO_IPV6, IPV6_V6ONLY), 1);
    const Endpoint v4{*IpAddress::parse("0.0.0.0"), local_endpoint(listener->get())->port};
    if (open_listener(v4, {})) ++both;
  }
  EXPECT_GT(both, 0);
}

TEST(Socket, IsNonBlockingAndClosedOnExecHoweverItIsMade) {
  const Connection connection("127.0.0.1:0");
  for (const int fd :
       {connection.listener.get(), connection.client.get(), connection.accepted.fd.get()}) {
    EXPECT_TRUE(::fcntl(fd, F_GETFL) & O_NONBLOCK);
    EXPECT_TRUE(::fcntl(fd, F_GETFD) & FD_CLOEXEC);
  }
}

TEST(AcceptConnection, KnowsThePeer) {
  const Connection connection("127.0.0.1:0");
  EXPECT_EQ(connection.accepted.peer, local_endpoint(connection.client.get()));
  const auto nobody = accept_connection(connection.listener.get());
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error(), EAGAIN);
}

// Inherited listeners may be dual-stack; a client rule for 127.0.0.0/8 must match there too.
TEST(AcceptConnection, SeesAnIpv4PeerOfADualStackListenerAsIpv4) {
  if (!has_ipv6()) GTEST_SKIP() << "no IPv6 here";
  const Fd listener(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int off = 0;
  ::setsockopt(listener.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  ASSERT_EQ(::listen(listener.get(), 1), 0);  // binds to [::] and a free port
  const Endpoint v4{*IpAddress::parse("127.0.0.1"), local_endpoint(listener.get())->port};
  const auto client = start_connect(v4, {});
  const auto accepted = accept_connection(listener.get());
  ASSERT_TRUE(accepted);
  EXPECT_EQ(accepted->peer, local_endpoint(client->get()));
  EXPECT_FALSE(accepted->peer.address.v6);
}

TEST(StartConnect, LeavesFromTheSourceAddressWithAPortPickedLate) {
  const Connection connection("127.0.0.1:0", IpAddress::parse("127.3.0.1"));
  EXPECT_EQ(connection.accepted.peer.address, *IpAddress::parse("127.3.0.1"));
  EXPECT_EQ(option(connection.client.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT), 1);
  EXPECT_EQ(option(connection.client.get(), IPPROTO_TCP, TCP_NODELAY), 1);
}

TEST(StartConnect, PicksThePortLateForIpv6Too) {
  if (!has_ipv6()) GTEST_SKIP() << "no IPv6 here";
  const Connection connection("[::1]:0", IpAddress::parse("::1"));
  EXPECT_EQ(option(connection.client.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT), 1);
  EXPECT_EQ(connection.accepted.peer, local_endpoint(connection.client.get()));
}

TEST(StartConnect, RefusesASourceAddressThatIsNotOurs) {
  const auto fd = start_connect(endpoint("127.0.0.1:9"), IpAddress::parse("203.0.113.7"));
  ASSERT_FALSE(fd);
  EXPECT_EQ(fd.error(), EADDRNOTAVAIL);
}

TEST(PendingError, SaysHowAConnectEnded) {
  Connection connection("127.0.0.1:0");
  EXPECT_EQ(pending_error(connection.client.get()), 0);
  const Endpoint closed = *local_endpoint(connection.listener.get());
  connection.listener.reset();
  const auto refused = start_connect(closed, {});
  ASSERT_TRUE(refused);
  wait_for(refused->get(), POLLOUT);
  EXPECT_EQ(pending_error(refused->get()), ECONNREFUSED);
  EXPECT_EQ(pending_error(-1), EBADF);
}

TEST(SetLiveness, SetsWhatItWasGivenAndLeavesTheRest) {
  const Connection connection("127.0.0.1:0");
  const int fd = connection.client.get();
  set_liveness(fd, Duration::zero(), Duration::zero());
  EXPECT_EQ(option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_EQ(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
  set_liveness(fd, std::chrono::seconds(75), std::chrono::milliseconds(1500));
  EXPECT_EQ(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 75);
  EXPECT_EQ(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 1500);
  set_liveness(fd, std::chrono::hours(1000), Duration::zero());
  EXPECT_EQ(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 32767) << "the most that the kernel takes";
  set_liveness(fd, std::chrono::milliseconds(1), Duration::zero());
  EXPECT_EQ(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 1);
}

TEST(SetReceiveLowWater, SetsTheMark) {
  const Connection connection("127.0.0.1:0");
  set_receive_low_water(connection.client.get(), 4096);
  EXPECT_EQ(option(connection.client.get(), SOL_SOCKET, SO_RCVLOWAT), 4096);
}

TEST(ResetOnClose, SendsARstInsteadOfAFin) {
  Connection aborted("127.0.0.1:0"), ended("127.0.0.1:0");
  reset_on_close(aborted.client.get());
  aborted.client.reset();
  ended.client.reset();
  char byte;
  wait_for(aborted.accepted.fd.get(), POLLIN);
  EXPECT_EQ(::recv(aborted.accepted.fd.get(), &byte, 1, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
  wait_for(ended.accepted.fd.get(), POLLIN);
  EXPECT_EQ(::recv(ended.accepted.fd.get(), &byte, 1, 0), 0);
}

TEST(TcpFacts, KnowsTheRoundTripOfAConnection) {
  const Connection connection("127.0.0.1:0");
  const auto facts = tcp_facts(connection.accepted.fd.get());
  ASSERT_TRUE(facts);
  EXPECT_GT(facts->rtt_us, 0u);
  EXPECT_EQ(facts->retransmits, 0u);
  EXPECT_FALSE(tcp_facts(-1));
}

}  // namespace
}  // namespace penstock::sys
