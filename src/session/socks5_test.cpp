#include <gtest/gtest.h>

#include "session/rig_test.h"

namespace penstock::session {
namespace {

using namespace std::string_literals;

const std::string kChosen = "\5\0"s;
const std::string kReply = "\5\0\0\1\0\0\0\0\0\0"s;

std::string reply(char code) {
  std::string out = kReply;
  out[1] = code;
  return out;
}

class Socks : public Session {
 protected:
  void begin_socks() {
    begin(kLab);
    auto config = std::make_shared<config::Config>(*worker_->situation()->config);
    config->listeners[0].protocols = {config::Protocol::kSocks5};
    worker_->adopt(std::make_shared<const Situation>(std::move(config), surroundings_));
  }
  static std::string request(const Endpoint& to) {
    std::string out = "\5\1\0\1"s;
    for (int i = 0; i < 4; ++i) out += static_cast<char>(to.address.bytes[static_cast<size_t>(i)]);
    return out + static_cast<char>(to.port >> 8) + static_cast<char>(to.port);
  }
};

TEST_F(Socks, AgreesThenAsksThenCarries) {
  begin_socks();
  const Origin origin;
  Peer client = connect();
  client.say("\5\1\0"s);
  until_heard(client, kChosen);
  client.say(request(origin.at()));
  until_heard(client, kReply);
  Peer far = until_accepted(origin);
  client.say("ping");
  until_heard(far, "ping");
  client.end();
  until_over(far);
  far.end();
  until_over(client);
  expect_ending("closed", "", 200);
  EXPECT_EQ(lines_[0]["protocol"], "socks5");
  EXPECT_EQ(lines_[0]["authority"], origin.at().text());
}

TEST_F(Socks, DeliversWhatCameBehindTheRequestFirst) {
  begin_socks();
  const Origin origin;
  Peer client = connect();
  client.say("\5\1\0"s + request(origin.at()) + "early");
  until_heard(client, kChosen + kReply);
  Peer far = until_accepted(origin);
  until_heard(far, "early");
}

TEST_F(Socks, RefusesInWordsOfSocks) {
  begin_socks();
  Peer client = connect();
  client.say("\5\1\0"s + request(*Endpoint::parse("192.0.2.1:443")));
  until_over(client);
  EXPECT_EQ(client.take(), kChosen + reply(2));
  client.close();
  expect_ending("refused", "name_denied", 403);
}

TEST_F(Socks, LetsGoOfAClientThatLeavesBetweenGreetingAndRequest) {
  begin_socks();
  Peer client = connect();
  client.say("\5\1\0"s);
  until_heard(client, kChosen);
  client.close();
  expect_ending("left", "client_gone", 0);
}

TEST_F(Socks, MayBeEndedAtAnyStep) {
  begin_socks();
  Peer silent = connect();
  Peer greeted = connect();
  greeted.say("\5\1\0"s);
  until_heard(greeted, kChosen);
  Peer asking = connect();
  asking.say("\5\1\0\5\1\0\3\x0cwait.example\1\xbb"s);
  until([&] { return names_.asked(); });
  worker_->end_all(Code::kAborted);
  settle_turns();
  expect_nothing_held();
}

}  // namespace
}  // namespace penstock::session
