// Tunnels by HTTP/2: the client is frames by hand over a plain socket.
#include "session/http2.h"

#include <gtest/gtest.h>

#include <map>

#include "h2/rig_test.h"
#include "session/rig_test.h"

namespace penstock::session {
namespace {

using h2::frame;
using h2::number;
using h2::StreamId;

std::string connect_frame(StreamId id, std::string_view authority) {
  return h2::headers(id, h2::connect_block(authority));
}

std::string reset_frame(StreamId id) {
  return h2::reset_frame(id, h2::Reset::kCancel);
}

// What the client has been told.
struct Heard {
  std::string head;  // of the answer, as it was compressed; empty: none yet
  std::string data;
  bool ended = false;
  std::optional<uint32_t> reset;
};

class Client {
 public:
  explicit Client(Peer peer) : peer_(std::move(peer)) {
    peer_.say(std::string(h2::kPreface) + frame(h2::kSettings, 0, 0) + frame(h2::kSettings, 1, 0));
  }

  void say(std::string_view frames) { peer_.say(frames); }
  void listen() {
    peer_.listen();
    bytes_ += peer_.take();
    for (const h2::Frame& one : h2::take_frames(bytes_)) take(one);
  }
  Heard& at(StreamId id) { return streams_[id]; }
  Peer& peer() { return peer_; }
  const std::optional<uint32_t>& goaway() const { return goaway_; }

 private:
  void take(const h2::Frame& one) {
    Heard& stream = streams_[one.id];
    if (one.type == h2::kHeaders) stream.head = one.payload;
    if (one.type == h2::kData) stream.data += one.payload;
    const bool ends = one.type == h2::kData || one.type == h2::kHeaders;
    if (ends && (one.flags & h2::kEndStream) != 0) stream.ended = true;
    if (one.type == h2::kResetStream) stream.reset = one.code();
    if (one.type == h2::kGoaway) goaway_ = one.code();
  }

  Peer peer_;
  std::string bytes_;
  std::map<StreamId, Heard> streams_;
  std::optional<uint32_t> goaway_;
};

class Http2Tunnels : public Session {
 protected:
  Client client() {
    if (!worker_) begin();
    return Client(connect());
  }
  void until_answered(Client& client, StreamId id) {
    until([&] {
      client.listen();
      return !client.at(id).head.empty() || client.at(id).reset || client.peer().over();
    });
    EXPECT_FALSE(client.at(id).head.empty());
  }
  void until_told(Client& client, StreamId id, std::string_view bytes) {
    until([&] { return client.listen(), client.at(id).data.size() >= bytes.size(); });
    EXPECT_EQ(client.at(id).data, bytes);
    client.at(id).data.clear();
  }
  Peer open(Client& client, StreamId id, const Origin& origin) {
    client.say(connect_frame(id, origin.at().text()));
    until_answered(client, id);
    EXPECT_EQ(client.at(id).head.substr(0, 1), "\x88") << ":status 200, in the static table";
    EXPECT_FALSE(client.at(id).ended);
    return until_accepted(origin);
  }
  // The line of one stream, or of the connection.
  nlohmann::json line(std::string_view method) {
    for (const auto& one : lines_) {
      if (one["method"] == method) return one;
    }
    ADD_FAILURE() << "no line of that kind";
    return {};
  }
  void expect_nothing_left() {
    until([&] { return worker_->live() == 0; });
    expect_nothing_held();
    EXPECT_EQ(loop::live_frames(), frames_);
    EXPECT_EQ(worker_->metrics().http2_open.value(), 0u);
  }

  const Origin origin_;
};

TEST_F(Http2Tunnels, CarryBothWaysAndEndBothWays) {
  Client client = this->client();
  Peer far = open(client, 1, origin_);
  client.say(frame(h2::kData, 0, 1, "ping"));
  until_heard(far, "ping");
  far.say("pong");
  until_told(client, 1, "pong");
  client.say(frame(h2::kData, h2::kEndStream, 1));
  until([&] { return far.listen(), far.over(); });
  EXPECT_TRUE(far.got_end());
  far.say("after the end");
  far.end();
  until([&] { return client.listen(), client.at(1).ended; });
  EXPECT_EQ(client.at(1).data, "after the end");
  until([&] { return lines_.size() == 1; });
  EXPECT_EQ(lines_[0]["protocol"], "h2");
  EXPECT_EQ(lines_[0]["trunk"], "abc-3-1");
  EXPECT_EQ(lines_[0]["id"], "abc-3-2");
  EXPECT_EQ(lines_[0]["outcome"], "closed");
  EXPECT_EQ(lines_[0]["status"], 200);
  EXPECT_EQ(lines_[0]["bytes_up"], 4);
  EXPECT_EQ(lines_[0]["bytes_down"], 17);
  client.peer().close();
  expect_nothing_left();
  ASSERT_EQ(lines_.size(), 2u);
  EXPECT_EQ(lines_[1]["id"], "abc-3-1");
  EXPECT_EQ(lines_[1]["streams"], 1);
  EXPECT_EQ(lines_[1]["outcome"], "closed");
  EXPECT_EQ(lines_[1]["error"], "");
  EXPECT_EQ(worker_->metrics().protocols[1].value(), 1u) << "the connection is no request";
}

TEST_F(Http2Tunnels, ShareOneConnection) {
  Client client = this->client();
  Peer one = open(client, 1, origin_);
  Peer other = open(client, 3, origin_);
  client.say(frame(h2::kData, 0, 3, "third") + frame(h2::kData, 0, 1, "first"));
  until_heard(one, "first");
  until_heard(other, "third");
  one.end();
  until([&] { return client.listen(), client.at(1).ended; });
  other.say("goes on");
  until_told(client, 3, "goes on");
}

TEST_F(Http2Tunnels, DeliverWhatCameBeforeTheAnswer) {
  Client client = this->client();
  client.say(connect_frame(1, origin_.at().text()) + frame(h2::kData, 0, 1, "early"));
  until_answered(client, 1);
  Peer far = until_accepted(origin_);
  until_heard(far, "early");
}

TEST_F(Http2Tunnels, AreRefusedInWordsAndTheConnectionGoesOn) {
  Client client = this->client();
  client.say(connect_frame(1, "198.51.100.1:25"));
  until([&] { return client.listen(), client.at(1).ended; });
  EXPECT_EQ(client.at(1).data, "penstock: The policy does not allow this destination.\n");
  until([&] { return lines_.size() == 1; });
  EXPECT_EQ(lines_[0]["error"], "name_denied");
  EXPECT_EQ(lines_[0]["status"], 403);
  until([&] { return client.listen(), client.at(1).reset.has_value(); });
  EXPECT_EQ(client.at(1).reset, 0u) << "the client need not end its side";
  open(client, 3, origin_);
}

TEST_F(Http2Tunnels, AreRefusedForWhatCannotBeRead) {
  Client client = this->client();
  client.say(connect_frame(1, "127.0.0.1"));
  until([&] { return client.listen(), client.at(1).ended; });
  EXPECT_EQ(client.at(1).data,
            "penstock: " + std::string(facts(Code::kMissingPort).sentence) + "\n");
  until([&] { return lines_.size() == 1; });
  EXPECT_EQ(lines_[0]["error"], "missing_port");
  EXPECT_EQ(lines_[0]["authority"], "127.0.0.1");
}

TEST_F(Http2Tunnels, PassAResetOfTheClientsOn) {
  Client client = this->client();
  Peer far = open(client, 1, origin_);
  client.say(reset_frame(1));
  until_over(far);
  EXPECT_TRUE(far.got_reset());
  until([&] { return lines_.size() == 1; });
  EXPECT_EQ(lines_[0]["outcome"], "cut");
  EXPECT_EQ(lines_[0]["error"], "client_reset");
  client.peer().close();
  expect_nothing_left();
}

TEST_F(Http2Tunnels, PassAResetOfTheOriginsOn) {
  Client client = this->client();
  Peer far = open(client, 1, origin_);
  far.say("half of");
  until_told(client, 1, "half of");
  far.reset();
  until([&] { return client.listen(), client.at(1).reset.has_value(); });
  EXPECT_EQ(client.at(1).reset, static_cast<uint32_t>(h2::Reset::kConnectError));
  EXPECT_FALSE(client.at(1).ended);
  until([&] { return lines_.size() == 1; });
  EXPECT_EQ(lines_[0]["error"], "origin_reset");
}

TEST_F(Http2Tunnels, AreGivenUpWhenTheirClientLeavesDuringTheSetUp) {
  Client client = this->client();
  const SilentOrigin silent;
  client.say(connect_frame(1, silent.authority()));
  until([&] { return door_.pending() == 1; });
  client.say(reset_frame(1));
  until([&] { return lines_.size() == 1; });
  EXPECT_EQ(lines_[0]["outcome"], "left");
  EXPECT_EQ(lines_[0]["error"], "client_gone");
  EXPECT_EQ(door_.pending(), 0u);
}

TEST_F(Http2Tunnels, EndWithTheirConnection) {
  Client client = this->client();
  Peer one = open(client, 1, origin_);
  Peer other = open(client, 3, origin_);
  client.peer().close();
  until_over(one);
  until_over(other);
  EXPECT_TRUE(one.got_reset() && other.got_reset());
  expect_nothing_left();
  ASSERT_EQ(lines_.size(), 3u);
  for (const auto& tunnel : lines_) {
    if (tunnel["method"] != "CONNECT") continue;
    EXPECT_EQ(tunnel["error"], "client_reset");
    EXPECT_EQ(tunnel["errno"], ECONNABORTED) << "the line of the connection says why";
  }
  EXPECT_EQ(line("")["outcome"], "cut");
  EXPECT_EQ(line("")["error"], "client_gone");
}

TEST_F(Http2Tunnels, EndFromOutside) {
  Client client = this->client();
  Peer far = open(client, 1, origin_);
  worker_->end_all(Code::kDrained);
  EXPECT_EQ(worker_->live(), 0u);
  until_over(far);
  EXPECT_TRUE(far.got_reset());
  for (const auto& one : lines_) EXPECT_EQ(one["error"], "drained");
  expect_nothing_left();
}

TEST_F(Http2Tunnels, EndAtAFloodWithTheirConnection) {
  Client client = this->client();
  Peer far = open(client, 1, origin_);
  std::string flood;
  for (int i = 0; i < 2000; ++i) flood += frame(h2::kPing, 0, 0, "12345678");
  client.say(flood);
  until([&] { return client.listen(), client.goaway().has_value(); });
  EXPECT_EQ(client.goaway(), 11u);  // ENHANCE_YOUR_CALM
  until_over(far);
  client.peer().close();
  expect_nothing_left();
  EXPECT_EQ(line("")["error"], "http2_flood");
  EXPECT_EQ(worker_->metrics().http2_goaways.value(), 1u);
}

// Rapid reset: what a client resets in the same breath never begins, and what it has at work here
// is bounded whatever it resets.
TEST_F(Http2Tunnels, ThatAreResetAtOnceDoNotBegin) {
  Client client = this->client();
  std::string words;
  for (StreamId id = 1; id < 200; id += 2) {
    words += connect_frame(id, origin_.at().text()) + reset_frame(id);
  }
  client.say(words);
  until([&] { return worker_->metrics().http2_client_resets.value() == 100; });
  EXPECT_TRUE(lines_.empty());
  EXPECT_EQ(worker_->metrics().http2_streams.value(), 100u);
  EXPECT_EQ(door_.seats_taken(), 1u);
  open(client, 201, origin_);
}

TEST_F(Http2Tunnels, GoOnWhileTheirConnectionTakesNoMore) {
  Client client = this->client();
  Peer far = open(client, 1, origin_);
  worker_->drain();
  until([&] { return client.listen(), client.goaway().has_value(); });
  EXPECT_EQ(client.goaway(), 0u);
  client.say(frame(h2::kData, 0, 1, "last words") + connect_frame(3, origin_.at().text()));
  until_heard(far, "last words");
  EXPECT_EQ(lines_.size(), 0u);
  client.say(frame(h2::kData, h2::kEndStream, 1));
  until_over(far);
  far.end();
  until([&] { return client.listen(), client.peer().over(); });
  EXPECT_TRUE(client.at(1).ended);
  EXPECT_TRUE(client.peer().got_end());
  client.peer().close();
  expect_nothing_left();
  EXPECT_EQ(lines_.size(), 2u) << "the stream behind the GOAWAY is none";
  EXPECT_EQ(line("")["outcome"], "closed");
}

TEST_F(Http2Tunnels, LeaveTheirConnectionAloneForTheIdleTime) {
  begin(kLab, "timeouts: {idle: 1s, head: 1s}");
  Client client = this->client();
  Peer far = open(client, 1, origin_);
  client.say(frame(h2::kData, h2::kEndStream, 1));
  until_over(far);
  far.end();
  until([&] { return client.listen(), client.peer().over(); });
  EXPECT_EQ(client.goaway(), 0u);
  client.peer().close();
  expect_nothing_left();
  EXPECT_EQ(line("")["outcome"], "closed");
}

TEST_F(Http2Tunnels, AreToBeAskedForInTime) {
  begin(kLab, "timeouts: {head: 1s}");
  Client client = this->client();
  until([&] { return client.listen(), client.peer().over(); });
  EXPECT_EQ(client.goaway(), 0u);
  client.peer().close();
  expect_nothing_left();
  EXPECT_EQ(lines_[0]["error"], "head_timeout");
}

TEST_F(Http2Tunnels, AreNoneWhereTheListenerSpeaksNoHttp2) {
  begin();
  auto config = std::make_shared<config::Config>(*worker_->situation()->config);
  config->listeners[0].protocols = {config::Protocol::kHttp1};
  worker_->adopt(std::make_shared<const Situation>(std::move(config), surroundings_));
  Client client = this->client();
  until([&] { return client.peer().listen(), client.peer().over(); });
  EXPECT_TRUE(client.peer().heard().starts_with("HTTP/1.1 505 "));
  client.peer().close();
  expect_ending("refused", "http2_preface", 505);
}

TEST_F(Http2Tunnels, AreAllThereIsWhereTheListenerSpeaksNothingElse) {
  begin();
  auto config = std::make_shared<config::Config>(*worker_->situation()->config);
  config->listeners[0].protocols = {config::Protocol::kHttp2};
  worker_->adopt(std::make_shared<const Situation>(std::move(config), surroundings_));
  Peer old = ask(origin_.at().text());
  until_over(old);
  EXPECT_TRUE(old.heard().starts_with("HTTP/1.1 505 "));
  old.close();
  expect_ending("refused", "http1_not_spoken", 505);
}

TEST_F(Http2Tunnels, AreKnownByThePrefaceHoweverItIsCut) {
  begin();
  Peer peer = connect();
  for (const char byte : h2::kPreface.substr(0, 23)) {
    peer.say(std::string_view(&byte, 1));
    settle_turns();
  }
  peer.say(std::string(h2::kPreface.substr(23)) + frame(h2::kSettings, 0, 0));
  until([&] { return peer.listen(), peer.heard().size() >= 9; });
  EXPECT_EQ(peer.heard()[3], h2::kSettings);
}

TEST_F(Http2Tunnels, HoldTheirOriginBackWhileTheClientTakesNothing) {
  Client client = this->client();
  Peer far = open(client, 1, origin_);
  Peer other = open(client, 3, origin_);
  // The window of the stream is 64 KiB, and stays shut; the connection's is opened.
  client.say(frame(h2::kWindowUpdate, 0, 0, number(1 << 24, 4)));
  const std::string piece(65536, 'd');
  size_t taken = 0;
  for (int quiet = 0; quiet < 20;) {
    const ssize_t n = ::send(far.fd(), piece.data(), piece.size(), MSG_NOSIGNAL);
    quiet = n > 0 ? 0 : quiet + 1;
    if (n > 0) taken += static_cast<size_t>(n);
    settle_turns();
    client.listen();
  }
  EXPECT_EQ(client.at(1).data.size(), 65535u);
  EXPECT_GT(taken, client.at(1).data.size());
  other.say("not held up");
  until_told(client, 3, "not held up");
  client.say(frame(h2::kWindowUpdate, 0, 1, number(1 << 24, 4)));
  until([&] { return client.listen(), client.at(1).data.size() >= taken; });
  EXPECT_EQ(client.at(1).data.size(), taken);
}

}  // namespace
}  // namespace penstock::session
