#include "loop/stream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "loop/rig_test.h"
#include "loop/task.h"
#include "sys/calls.h"
#include "sys/socket.h"

namespace penstock::loop {
namespace {

using std::chrono::milliseconds;

// A TCP connection over loopback with both ends on one loop.
struct Connection {
  explicit Connection(Loop& loop) {
    const auto listener = sys::open_listener(*Endpoint::parse("127.0.0.1:0"), {});
    auto client = sys::start_connect(*sys::local_endpoint(listener->get()), {});
    auto accepted = sys::accept_connection(listener->get());
    EXPECT_TRUE(client && accepted);
    near = Stream(loop, std::move(*client));
    far = Stream(loop, std::move(accepted->fd));
  }
  Stream near;
  Stream far;
};

// The far side says `text`, and the loop has heard of it.
void say(Loop& loop, Connection& connection, std::string_view text) {
  connection.far.write(bytes_of(text));
  drive(loop, [&] { return connection.near.source().ready(kReadable); });
}

RootTask send_all(Loop& loop, Stream& stream, std::string_view bytes, Instant deadline, int* out) {
  Timer timer(loop);
  timer.arm(deadline);
  *out = co_await write_all(loop, stream, bytes, timer);
}

RootTask receive(Loop& loop, Stream& stream, size_t count, std::string* into) {
  Timer never(loop);
  std::array<uint8_t, 50'000> buffer;
  while (into->size() < count) {
    const Moved moved = stream.read(buffer);
    if (moved.bytes()) {
      into->append(buffer.begin(), buffer.begin() + moved.count);
    } else if (moved.would_block()) {
      co_await readable(loop, stream, never);
    } else {
      break;
    }
  }
}

// More than a send buffer (4 MiB, tcp_wmem) and a receive window that nobody reads from.
constexpr size_t kTooMuch = 12 << 20;

std::string pattern(size_t size) {
  std::string out(size, '\0');
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<char>(i * 2654435761u >> 13);
  return out;
}

TEST(Stream, KnowsAfterAShortReadThatNothingIsLeft) {
  Loop loop;
  Connection connection(loop);
  say(loop, connection, "abc");
  std::array<uint8_t, 16> buffer;
  EXPECT_EQ(connection.near.read(buffer).count, 3);
  EXPECT_FALSE(connection.near.source().ready(kReadable));
  EXPECT_TRUE(connection.near.read(buffer).would_block());
}

TEST(Stream, KnowsAfterAFullReadThatMoreMayFollow) {
  Loop loop;
  Connection connection(loop);
  say(loop, connection, "abc");
  std::array<uint8_t, 3> buffer;
  EXPECT_EQ(connection.near.read(buffer).count, 3);
  EXPECT_TRUE(connection.near.source().ready(kReadable));
  EXPECT_TRUE(connection.near.read(buffer).would_block());
  EXPECT_FALSE(connection.near.source().ready(kReadable));
}

// The FIN was announced together with the bytes: no further edge would come for it.
TEST(Stream, ReadsTheEndThatStandsBehindAShortRead) {
  Loop loop;
  Connection connection(loop);
  connection.far.write(bytes_of("abc"));
  connection.far.shutdown_write();
  drive(loop, [&] { return connection.near.source().ready(kHangup); });
  EXPECT_FALSE(connection.near.source().ready(kBroken));
  std::array<uint8_t, 16> buffer;
  EXPECT_EQ(connection.near.read(buffer).count, 3);
  ASSERT_TRUE(connection.near.source().ready(kReadable));
  EXPECT_TRUE(connection.near.read(buffer).end());
}

TEST(Stream, HearsOfAnEndThatComesAfterAShortRead) {
  Loop loop;
  Connection connection(loop);
  say(loop, connection, "abc");
  std::array<uint8_t, 16> buffer;
  EXPECT_EQ(connection.near.read(buffer).count, 3);
  connection.far.shutdown_write();
  drive(loop, [&] { return connection.near.source().ready(kReadable); });
  EXPECT_TRUE(connection.near.read(buffer).end());
}

TEST(Stream, WaitsForMoreThanIsThere) {
  Loop loop;
  Connection connection(loop);
  sys::set_receive_low_water(connection.near.fd(), 10);
  connection.far.write(bytes_of("12345"));
  Source& source = connection.near.source();
  source.suppose(kReadable);
  source.await_more();
  loop.turn(false);
  EXPECT_FALSE(source.ready(kReadable)) << "below the mark";
  say(loop, connection, "67890");
  source.await_more();
  drive(loop, [&] { return source.ready(kReadable); });  // nothing new has to come for it
  std::array<uint8_t, 16> buffer;
  EXPECT_EQ(connection.near.read(buffer).count, 10);
}

TEST(Stream, ThatWasAcceptedIsWritableAndHearsWhenItIsAgain) {
  Loop loop;
  const auto listener = sys::open_listener(*Endpoint::parse("127.0.0.1:0"), {});
  auto client = sys::start_connect(*sys::local_endpoint(listener->get()), {});
  auto accepted = sys::accept_connection(listener->get());
  ASSERT_TRUE(client && accepted);
  Stream far(loop, std::move(*client));
  Stream near = Stream::accepted(loop, std::move(accepted->fd));
  EXPECT_TRUE(near.source().ready(kWritable)) << "before the loop has asked anybody";
  int outcome = -1;
  TaskSet tasks;
  const std::string much(8 << 20, 'm');
  tasks.start(send_all(loop, near, much, kNever, &outcome));
  loop.turn(false);
  ASSERT_EQ(outcome, -1) << "it does not fit";
  std::string got;
  tasks.start(receive(loop, far, much.size(), &got));
  drive(loop, [&] { return tasks.empty(); });
  EXPECT_EQ(outcome, 0);
  EXPECT_EQ(got, much);
}

TEST(Stream, SaysHowTheOtherSideWentAway) {
  Loop loop;
  Connection connection(loop);
  connection.far.reset_on_close();
  connection.far.close();
  drive(loop, [&] { return connection.near.source().ready(kHangup); });
  EXPECT_TRUE(connection.near.source().ready(kBroken));
  std::array<uint8_t, 16> buffer;
  const Moved moved = connection.near.read(buffer);
  EXPECT_TRUE(moved.failed());
  EXPECT_EQ(moved.error(), ECONNRESET);
}

TEST(WriteAll, WritesMoreThanTheSocketsHoldAsTheReaderMakesRoom) {
  Loop loop;
  Connection connection(loop);
  const std::string sent = pattern(kTooMuch);
  std::string received;
  int result = -1;
  TaskSet tasks;
  tasks.start(send_all(loop, connection.near, sent, kNever, &result));
  EXPECT_EQ(result, -1) << "the socket took it all: this tests nothing";
  tasks.start(receive(loop, connection.far, sent.size(), &received));
  drive(loop, [&] { return tasks.empty(); });
  EXPECT_EQ(result, 0);
  EXPECT_TRUE(received == sent);
}

TEST(WriteAll, GivesUpWhenTheReaderStops) {
  Loop loop;
  Connection connection(loop);
  const std::string sent = pattern(kTooMuch);
  int result = -1;
  TaskSet tasks;
  const Instant deadline = loop.read_clock() + milliseconds(5);
  tasks.start(send_all(loop, connection.near, sent, deadline, &result));
  drive(loop, [&] { return tasks.empty(); });
  EXPECT_EQ(result, ETIMEDOUT);
  EXPECT_GE(loop.now(), deadline);
}

TEST(WriteAll, SaysWhyItCouldNot) {
  Loop loop;
  Connection connection(loop);
  const std::string sent = pattern(kTooMuch);
  int result = -1;
  TaskSet tasks;
  tasks.start(send_all(loop, connection.near, sent, kNever, &result));
  loop.turn(false);
  connection.far.reset_on_close();
  connection.far.close();
  drive(loop, [&] { return tasks.empty(); });
  EXPECT_EQ(result, ECONNRESET);
}

RootTask await_readable(Loop& loop, Stream& stream, Instant deadline, int* out) {
  Timer timer(loop);
  timer.arm(deadline);
  *out = co_await readable(loop, stream, timer) ? 1 : 0;
}

TEST(Readable, IsTrueOnceBytesComeAndFalseAtTheDeadline) {
  Loop loop;
  Connection connection(loop);
  TaskSet tasks;
  int result = -1;
  const Instant deadline = loop.read_clock() + milliseconds(5);
  tasks.start(await_readable(loop, connection.near, deadline, &result));
  drive(loop, [&] { return tasks.empty(); });
  EXPECT_EQ(result, 0);
  EXPECT_GE(loop.now(), deadline);

  tasks.start(await_readable(loop, connection.near, kNever, &result));
  connection.far.write(bytes_of("x"));
  drive(loop, [&] { return tasks.empty(); });
  EXPECT_EQ(result, 1);
}

// Says every byte with its bits turned, a byte at a time, and knows one word more at the end.
class Turned final : public Transport {
 public:
  explicit Turned(int fd) : fd_(fd) {}

  Moved read(std::span<uint8_t> into) override {
    const long count = sys::calls::recv(fd_, into.data(), 1);
    if (count > 0) into[0] = static_cast<uint8_t>(~into[0]);
    return {count};
  }
  Moved write(std::span<const uint8_t> from) override {
    const auto turned = static_cast<uint8_t>(~from[0]);
    return {sys::calls::send(fd_, &turned, 1)};
  }
  bool shutdown_write() override {
    write(bytes_of("."));
    return sys::calls::shutdown(fd_, SHUT_WR) == 0;
  }

 private:
  int fd_;
};

TEST(Stream, HasTheBytesOfATransportThatStandsBetween) {
  Loop loop;
  Connection connection(loop);
  for (Stream* side : {&connection.near, &connection.far}) {
    EXPECT_TRUE(side->spliceable());
    side->put_on(std::make_unique<Turned>(side->fd()));
    EXPECT_FALSE(side->spliceable());
  }
  std::string heard;
  int error = -1;
  TaskSet tasks;
  tasks.start(receive(loop, connection.near, 6, &heard));
  tasks.start(send_all(loop, connection.far, "hello", kNever, &error));
  drive(loop, [&] { return error == 0; });
  connection.far.shutdown_write();
  drive(loop, [&] { return heard.size() == 6; });
  EXPECT_EQ(heard, "hello.");
}

// A short read empties a socket, but not what a transport has decrypted already.
TEST(Stream, StaysReadableUntilItsTransportHasNoMore) {
  Loop loop;
  Connection connection(loop);
  connection.near.put_on(std::make_unique<Turned>(connection.near.fd()));
  say(loop, connection, "ab");
  std::array<uint8_t, 16> buffer;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(connection.near.read(buffer).count, 1);
    EXPECT_TRUE(connection.near.source().ready(kReadable));
  }
  EXPECT_TRUE(connection.near.read(buffer).would_block());
  EXPECT_FALSE(connection.near.source().ready(kReadable));
}

// What a stream is that shares its socket with others: bytes that somebody else carries.
class Shared final : public Transport {
 public:
  struct Facts {
    std::string incoming;
    bool ended = false;
    std::string outgoing;
    size_t room = 0;
    bool told = false;
    bool reset = false;
  };
  explicit Shared(Facts& facts) : facts_(facts) {}

  Moved read(std::span<uint8_t> into) override {
    if (facts_.incoming.empty()) return {facts_.ended ? 0 : -EAGAIN};
    const size_t count = std::min(into.size(), facts_.incoming.size());
    std::copy_n(facts_.incoming.begin(), count, into.begin());
    facts_.incoming.erase(0, count);
    return {static_cast<long>(count)};
  }
  Moved write(std::span<const uint8_t> from) override {
    const size_t count = std::min(from.size(), facts_.room);
    if (count == 0) return {-EAGAIN};
    facts_.outgoing.append(from.begin(), from.begin() + static_cast<ptrdiff_t>(count));
    facts_.room -= count;
    return {static_cast<long>(count)};
  }
  bool shutdown_write() override { return facts_.told = facts_.room > 0; }
  long unsent() const override { return static_cast<long>(facts_.outgoing.size()); }
  int pending_error() const override { return ECONNRESET; }
  void reset_on_close() override { facts_.reset = true; }

 private:
  Facts& facts_;
};

TEST(Stream, OfATransportAloneIsReadAndWrittenAsItIsAnnounced) {
  Loop loop;
  Shared::Facts facts;
  Stream stream(loop, std::make_unique<Shared>(facts));
  EXPECT_TRUE(static_cast<bool>(stream));
  EXPECT_FALSE(stream.spliceable());
  std::string heard;
  int error = -1;
  TaskSet tasks;
  tasks.start(receive(loop, stream, 5, &heard));
  facts.incoming = "hello";
  stream.source().announce(kReadable);
  loop.turn(false);
  EXPECT_EQ(heard, "hello");
  tasks.start(send_all(loop, stream, "answer", kNever, &error));
  for (int i = 0; i < 2; ++i) {
    facts.room = 3;
    stream.source().announce(kWritable);
    loop.turn(false);
  }
  EXPECT_EQ(facts.outgoing, "answer");
  EXPECT_EQ(error, 0);
}

TEST(Stream, OfATransportAloneEndsInItsTransportsWay) {
  Loop loop;
  Shared::Facts facts;
  Stream stream(loop, std::make_unique<Shared>(facts));
  stream.source().announce(kWritable);
  EXPECT_FALSE(stream.shutdown_write()) << "there is no room for it";
  EXPECT_FALSE(stream.source().ready(kWritable));
  facts.room = 1;
  EXPECT_TRUE(stream.shutdown_write());
  EXPECT_TRUE(facts.told);
  EXPECT_EQ(stream.unsent(), 0);
  EXPECT_EQ(stream.pending_error(), ECONNRESET);
  EXPECT_TRUE(stream.silent()) << "its transport is asked";
  facts.incoming = "x";
  EXPECT_FALSE(stream.silent());
  facts.ended = true;
  EXPECT_FALSE(stream.silent()) << "an end is no silence";
  EXPECT_FALSE(stream.guard(milliseconds(1), milliseconds(1)));
  EXPECT_EQ(stream.fd(), -1);
  stream.reset_on_close();
  EXPECT_TRUE(facts.reset);
  stream.close();
  EXPECT_FALSE(static_cast<bool>(stream));
}

}  // namespace
}  // namespace penstock::loop
