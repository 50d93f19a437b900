#include "session/refusal.h"

#include <gmock/gmock.h>

#include "http/reply.h"
#include "session/rig_test.h"

namespace penstock::session {
namespace {

class Refusals : public Session {};

// RFC 9931: a client that pipelines behind a CONNECT, believing that it will succeed, sends bytes
// of a tunnel; read as requests they would be smuggled ones.
TEST_F(Refusals, ExecuteNothingThatStandsBehindTheRefusedRequest) {
  begin();
  const Origin origin;
  Peer client = ask("refused.test:443", connect_request(origin.at().text()));
  until_over(client);
  EXPECT_TRUE(client.got_end()) << "not a reset, which would overtake the refusal";
  EXPECT_EQ(client.heard(), http::refusal_reply(Error{Code::kNameDenied}));
  client.say(connect_request(origin.at().text()));
  settle_turns();
  EXPECT_FALSE(origin.accept());
  client.listen();
  EXPECT_TRUE(client.got_end() && !client.got_reset());
  client.close();
  expect_ending("refused", "name_denied", 403);
}

TEST_F(Refusals, ListenToAClientThatGoesOnSendingBeforeTheyClose) {
  begin();
  Peer client = ask("refused.test:443");
  until_over(client);
  for (int i = 0; i < 10; ++i) {
    client.say(std::string(1000, 'x'));
    settle_turns();
  }
  EXPECT_EQ(worker_->live(), 1u);
  EXPECT_TRUE(lines_.empty());
  client.end();
  expect_ending("refused", "name_denied", 403);
}

TEST_F(Refusals, CloseOnAClientThatSendsWithoutEnd) {
  begin();
  Peer client = ask("refused.test:443");
  until_over(client);
  const std::string more(16 * 1024, 'x');
  size_t sent = 0;
  until([&] {
    const ssize_t n = ::send(client.fd(), more.data(), more.size(), MSG_NOSIGNAL);
    if (n > 0) sent += static_cast<size_t>(n);
    return worker_->live() == 0;
  });
  EXPECT_GE(sent, 256u * 1024);
  expect_ending("refused", "name_denied", 403);
}

TEST_F(Refusals, GiveTheirPermitBackBeforeTheClientHasClosed) {
  begin();
  Peer client = ask("refused.test:443");
  until_over(client);
  EXPECT_EQ(worker_->live(), 1u);
  EXPECT_EQ(door_.pending(), 0u);
}

}  // namespace
}  // namespace penstock::session
