#include "load/tls_session.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "load/pattern.h"
#include "load/wire.h"
#include "loop/loop.h"

namespace penstock::load {
namespace {

using loop::Loop;
using loop::RootTask;
using loop::TaskSet;
using loop::Timer;

struct Ends {
  explicit Ends(Loop& loop) {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    client = Wire(loop::Stream(loop, sys::Fd(fds[0])));
    server = Wire(loop::Stream(loop, sys::Fd(fds[1])));
  }
  Wire client, server;
};

void drive(Loop& loop, TaskSet& tasks) {
  Timer guard(loop);
  guard.arm(loop.read_clock() + std::chrono::seconds(20));
  while (!tasks.empty() && !guard.expired()) loop.turn(true);
  EXPECT_TRUE(tasks.empty());
}

RootTask shake(Loop& loop, Wire& wire, Failure* out) {
  Timer never(loop);
  *out = co_await handshake(loop, wire, never);
}

RootTask send(Loop& loop, Wire& wire, Failure* out) {
  Timer never(loop);
  for (int i = 0; i < 8 && !*out; ++i) {
    *out = co_await send_all(loop, wire, pattern().at(i * Pattern::kPiece, Pattern::kPiece), never);
  }
  if (!*out) *out = co_await end_writing(loop, wire, never);
}

RootTask receive(Loop& loop, Wire& wire, Failure* out) {
  Timer never(loop);
  std::vector<uint8_t> scratch(100'000);
  for (int i = 0; i < 8 && !*out; ++i) {
    const auto piece = pattern().at(i * Pattern::kPiece, Pattern::kPiece);
    *out = co_await expect_bytes(loop, wire, piece, scratch, never);
  }
  if (!*out) *out = co_await expect_end(loop, wire, never);
}

void secure(Loop& loop, Ends& ends) {
  ends.client.secure_with(TlsContext::client(), "origin.example");
  ends.server.secure_with(TlsContext::server(), {});
  TaskSet tasks;
  Failure at_client, at_server;
  tasks.start(shake(loop, ends.client, &at_client));
  tasks.start(shake(loop, ends.server, &at_server));
  drive(loop, tasks);
  EXPECT_FALSE(at_client) << *at_client;
  EXPECT_FALSE(at_server) << *at_server;
}

TEST(TlsSession, CarriesMoreThanAnyBufferHoldsAndThenItsEnd) {
  Loop loop;
  Ends ends(loop);
  secure(loop, ends);
  TaskSet tasks;
  Failure up_sent, up_received, down_sent, down_received;
  tasks.start(receive(loop, ends.server, &up_received));
  tasks.start(send(loop, ends.client, &up_sent));
  drive(loop, tasks);
  tasks.start(receive(loop, ends.client, &down_received));
  tasks.start(send(loop, ends.server, &down_sent));
  drive(loop, tasks);
  for (const Failure& failure : {up_sent, up_received, down_sent, down_received}) {
    EXPECT_FALSE(failure) << *failure;
  }
}

TEST(TlsSession, TellsAStreamThatWasCutFromOneThatEnded) {
  Loop loop;
  Ends ends(loop);
  secure(loop, ends);
  ends.server.stream().shutdown_write();  // a FIN without close_notify
  Timer never(loop);
  TaskSet tasks;
  Failure failure;
  const auto expect = [](Loop& on, Wire& wire, Timer& timer, Failure* out) -> RootTask {
    *out = co_await expect_end(on, wire, timer);
  };
  tasks.start(expect(loop, ends.client, never, &failure));
  drive(loop, tasks);
  EXPECT_EQ(failure, "TLS failed");
}

TEST(TlsSession, SaysWhichServerItWants) {
  Loop loop;
  Ends ends(loop);
  ends.client.secure_with(TlsContext::client(), "origin.example");
  loop.turn(false);
  EXPECT_TRUE(ends.client.tls()->handshake(ends.client.stream()).would_block());
  loop.turn(false);
  std::string hello(2048, 0);
  // SAFETY: chars are bytes.
  const auto moved = ends.server.read({reinterpret_cast<uint8_t*>(hello.data()), hello.size()});
  ASSERT_TRUE(moved.bytes());
  EXPECT_NE(hello.find("origin.example"), hello.npos);
}

}  // namespace
}  // namespace penstock::load
