#include "session/announcement.h"

#include <gtest/gtest.h>

#include "session/rig_test.h"

namespace penstock::session {
namespace {

using namespace std::string_literals;

const std::string kHeader = "PROXY TCP4 192.0.2.7 198.51.100.2 4242 443\r\n";

class Announcements : public Session {
 protected:
  void begin_with(std::string_view from, policy::Announce announce = policy::Announce::kNothing) {
    std::string policy(kLab);
    if (announce != policy::Announce::kNothing) policy += "      proxy_protocol: v1\n";
    begin(policy);
    auto config = std::make_shared<config::Config>(*worker_->situation()->config);
    if (!from.empty()) config->listeners[0].announcers = {*IpPrefix::parse(from)};
    worker_->adopt(std::make_shared<const Situation>(std::move(config), surroundings_));
  }
};

TEST_F(Announcements, MakeTheAnnouncedClientTheOneWhoAsks) {
  begin_with("127.0.0.0/8");
  const Origin origin;
  Peer client = connect();
  client.say(kHeader + connect_request(origin.at().text()) + "early");
  until_heard(client, kEstablished);
  Peer far = until_accepted(origin);
  until_heard(far, "early");
  client.end();
  until_over(far);
  far.end();
  until_over(client);
  expect_ending("closed", "", 200);
  EXPECT_EQ(lines_[0]["client"], "192.0.2.7:4242");
  EXPECT_TRUE(lines_[0]["peer"].get<std::string>().starts_with("127.0.0.1:"));
}

TEST_F(Announcements, AreReadFromNobodyElse) {
  begin_with("10.0.0.0/8");
  Peer client = connect();  // it has no time to say a word
  until_over(client);
  EXPECT_EQ(client.take(), "");
  client.close();
  expect_ending("refused", "untrusted_sender", 0);
}

TEST_F(Announcements, GoToTheOriginBeforeAnythingElse) {
  begin_with("", policy::Announce::kV1);
  const Origin origin;
  Peer client = connect();
  client.say(connect_request(origin.at().text()) + "early");
  until_heard(client, kEstablished);
  Peer far = until_accepted(origin);
  until([&] { return far.listen(), far.heard().ends_with("early"); });
  EXPECT_TRUE(far.take().starts_with("PROXY TCP4 127.0.0.1 127.0.0.1 "));
  client.end();
  until_over(far);
  far.end();
  until_over(client);
  until_settled();
  EXPECT_EQ(lines_[0]["bytes_up"], 5) << "the header is none of the client's bytes";
}

TEST_F(Announcements, MayBeCutShortByAClientThatLeaves) {
  begin_with("127.0.0.0/8");
  Peer client = connect();
  client.say("PROXY TC");
  settle_turns();
  client.close();
  expect_ending("left", "client_gone", 0);
}

}  // namespace
}  // namespace penstock::session
