#include "session/forward.h"

#include <gmock/gmock.h>

#include <string>
#include <utility>

#include "session/idle_clients.h"
#include "session/rig_test.h"

namespace penstock::session {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kVia = "Via: 1.1 penstock-abc\r\n";

class Forward : public Session {
 protected:
  std::string url(const Origin& origin, std::string_view path = "/") {
    return "http://127.0.0.1:" + origin.port() + std::string(path);
  }
  std::string request(const Origin& origin, std::string_view method = "GET",
                      std::string_view fields = "", std::string_view body = "") {
    return std::string(method) + " " + url(origin) +
           " HTTP/1.1\r\nHost: 127.0.0.1:" + origin.port() + "\r\n" + std::string(fields) + "\r\n" +
           std::string(body);
  }
  Peer send(std::string_view bytes) {
    Peer client = connect();
    client.say(bytes);
    return client;
  }
  // What the origin is sent of it: the whole head, and what came behind it by then.
  std::string until_asked(Peer& far) {
    until([&] { return far.listen(), far.over() || far.heard().contains("\r\n\r\n"); });
    return far.take();
  }
  // A client, and the origin that has heard what it asked.
  struct Ends {
    Peer client, far;
  };
  Ends asked(const Origin& origin, std::string_view bytes) {
    Peer client = send(bytes);
    Peer far = until_accepted(origin);
    until_asked(far);
    return {std::move(client), std::move(far)};
  }
  std::string answer(std::string_view body, std::string_view fields = "") {
    return "HTTP/1.1 200 OK\r\n" + std::string(fields) +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
  }
  std::string answered(std::string_view body, std::string_view fields = "") {
    return "HTTP/1.1 200 OK\r\n" + std::string(fields) + std::string(kVia) +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
  }
  // A refusal or failure: its head and body.
  std::string until_refused(Peer& client) {
    until_over(client);
    client.close();
    return client.take();
  }
  void until_lines(size_t count) {
    until([&] { return lines_.size() >= count; });
  }
};

TEST_F(Forward, AsksTheOriginAndPassesItsAnswerOn) {
  begin();
  const Origin origin;
  Peer client =
      send("GET " + url(origin, "/a?b=c") + " HTTP/1.1\r\nHost: 127.0.0.1:" + origin.port() +
           "\r\nProxy-Authorization: Basic YTpzZWNyZXQ=\r\n\r\n");
  Peer far = until_accepted(origin);
  EXPECT_EQ(until_asked(far), "GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:" + origin.port() + "\r\n" +
                                  std::string(kVia) + "\r\n");
  far.say(answer("hello", "X: y\r\n"));
  until_heard(client, answered("hello", "X: y\r\n"));
  until_lines(1);
  const auto& line = lines_[0];
  EXPECT_EQ(line["method"], "GET");
  EXPECT_EQ(line["authority"], origin.at().text());
  EXPECT_EQ(line["outcome"], "closed");
  EXPECT_EQ(line["status"], 200);
  EXPECT_EQ(line["bytes_down"], answered("hello", "X: y\r\n").size());
  EXPECT_TRUE(line.contains("response_us"));
  EXPECT_FALSE(line.contains("path")) << "it may be private";
  EXPECT_EQ(worker_->metrics().requests[0][1].value(), 1u);
  EXPECT_EQ(worker_->metrics().tunnels.present(), 0u);
}

TEST_F(Forward, SaysThePathOnRequestAndNeverTheQuery) {
  begin(kLab, "log: {path: true}");
  const Origin origin;
  auto [client, far] =
      asked(origin, "GET " + url(origin, "/a?secret=c") +
                        " HTTP/1.1\r\nHost: 127.0.0.1:" + origin.port() + "\r\n\r\n");
  far.say(answer(""));
  until_lines(1);
  EXPECT_EQ(lines_[0]["path"], "/a");
  EXPECT_THAT(lines_[0].dump(), Not(HasSubstr("secret")));
}

TEST_F(Forward, GoesOnWithBothConnectionsAndHasALineForEachRequest) {
  begin();
  const Origin origin;
  Peer client = send(request(origin));
  Peer far = until_accepted(origin);
  for (int i = 0; i < 3; ++i) {
    until_asked(far);
    far.say(answer("x"));
    until_heard(client, answered("x"));
    until_lines(static_cast<size_t>(i) + 1);
    EXPECT_EQ(lines_.back().contains("reused"), i > 0);
    EXPECT_EQ(worker_->origins().size(), 1u);
    EXPECT_EQ(worker_->idle_clients().size(), 1u);
    EXPECT_EQ(worker_->live(), 0u);
    EXPECT_EQ(door_.seats_taken(), 2u) << "the client's and the idle origin's";
    if (i < 2) client.say(request(origin));
  }
  EXPECT_FALSE(origin.accept()) << "one connection was enough";
  client.close();
  until([&] { return worker_->idle_clients().size() == 0; });
  EXPECT_EQ(lines_.size(), 3u) << "asking nothing more takes no line";
}

TEST_F(Forward, AnswersPipelinedRequestsInOrder) {
  begin();
  const Origin origin;
  Peer client = send(request(origin, "GET", "N: 1\r\n") + request(origin, "GET", "N: 2\r\n") +
                     request(origin, "GET", "N: 3\r\n").substr(0, 20));
  Peer far = until_accepted(origin);
  EXPECT_THAT(until_asked(far), HasSubstr("N: 1"));
  settle_turns();
  far.listen();
  EXPECT_EQ(far.heard(), "") << "one at a time";
  far.say(answer("1"));
  EXPECT_THAT(until_asked(far), HasSubstr("N: 2"));
  far.say(answer("2"));
  until_heard(client, answered("1") + answered("2"));
  client.say(request(origin, "GET", "N: 3\r\n").substr(20));
  EXPECT_THAT(until_asked(far), HasSubstr("N: 3"));
}

TEST_F(Forward, SendsBodiesOnWithFramingOfItsOwn) {
  begin();
  const Origin origin;
  Peer client = send(request(origin, "POST", "Transfer-Encoding: chunked\r\n",
                             "3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n"));
  Peer far = until_accepted(origin);
  until([&] { return far.listen(), far.heard().ends_with("0\r\n\r\n"); });
  EXPECT_THAT(far.take(),
              HasSubstr("\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"));
  far.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n1;y\r\nz\r\n0\r\n\r\n");
  until_heard(client, "HTTP/1.1 200 OK\r\n" + std::string(kVia) +
                          "Transfer-Encoding: chunked\r\n\r\n2\r\nxz\r\n0\r\n\r\n");
  client.say(request(origin, "PUT", "Content-Length: 5\r\n", "12"));
  Peer second = until_accepted(origin);
  client.say("345");
  until([&] { return second.listen(), second.heard().ends_with("12345"); });
  second.say("HTTP/1.1 204 No Content\r\n\r\n");
  until_heard(client, "HTTP/1.1 204 No Content\r\n" + std::string(kVia) + "\r\n");
}

TEST_F(Forward, CutsAnAnswerOfUnknownLengthIntoChunks) {
  begin();
  const Origin origin;
  auto [client, far] = asked(origin, request(origin));
  far.say("HTTP/1.0 200 OK\r\n\r\nall of it");
  far.close();
  until_heard(client,
              "HTTP/1.1 200 OK\r\nVia: 1.0 penstock-abc\r\n"
              "Transfer-Encoding: chunked\r\n\r\n9\r\nall of it\r\n0\r\n\r\n");
  until_lines(1);
  EXPECT_EQ(worker_->origins().size(), 0u);
  EXPECT_EQ(worker_->idle_clients().size(), 1u);
}

TEST_F(Forward, ClosesBehindAnAnswerToHttp10) {
  begin();
  const Origin origin;
  auto [client, far] = asked(origin, "GET " + url(origin) + " HTTP/1.0\r\n\r\n");
  far.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n0\r\n\r\n");
  until_over(client);
  EXPECT_EQ(client.heard(),
            "HTTP/1.1 200 OK\r\n" + std::string(kVia) + "Connection: close\r\n\r\nxy");
  client.close();
  until_settled();
}

TEST_F(Forward, PassesInterimAnswersOn) {
  begin();
  const Origin origin;
  Peer client = send(request(origin, "POST", "Expect: 100-continue\r\nContent-Length: 2\r\n"));
  Peer far = until_accepted(origin);
  EXPECT_THAT(until_asked(far), HasSubstr("Expect: 100-continue\r\n"));
  far.say("HTTP/1.1 100 Continue\r\n\r\n");
  until_heard(client, "HTTP/1.1 100 Continue\r\n" + std::string(kVia) + "\r\n");
  client.say("hi");
  until_heard(far, "hi");
  far.say("HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" + answer("done"));
  until_heard(client, "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n" + std::string(kVia) + "\r\n" +
                          answered("done"));
}

TEST_F(Forward, BoundsInterimAnswers) {
  begin();
  const Origin origin;
  auto [client, far] = asked(origin, request(origin));
  std::string flood;
  for (int i = 0; i < 33; ++i) flood += "HTTP/1.1 100 Continue\r\n\r\n";
  far.say(flood);
  until_over(client);
  client.close();
  expect_ending("failed", "bad_response", 502);
}

TEST_F(Forward, DeliversAnAnswerThatComesBeforeTheRequestIsWhole) {
  begin();
  const Origin origin;
  auto [client, far] =
      asked(origin, request(origin, "POST", "Content-Length: 1000000\r\n", "some"));
  far.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!");
  until_heard(client, "HTTP/1.1 413 Content Too Large\r\n" + std::string(kVia) +
                          "Content-Length: 3\r\nConnection: close\r\n\r\nno!");
  until_over(client);
  client.close();
  expect_ending("closed", "", 413);
}

TEST_F(Forward, EndsBadlyForTheClientWhereTheAnswerBreaksOff) {
  begin();
  const Origin origin;
  for (const char* head : {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf"}) {
    auto [client, far] = asked(origin, request(origin));
    far.say(head);
    until([&] { return client.listen(), client.heard().contains("half"); });
    far.close();
    until_over(client);
    EXPECT_TRUE(client.got_reset());
  }
  until_settled(2);
  EXPECT_EQ(lines_[1]["outcome"], "cut");
  EXPECT_EQ(lines_[1]["error"], "response_cut");
  EXPECT_EQ(lines_[1]["side"], "origin");
}

TEST_F(Forward, SaysWhoseFaultItIs) {
  begin(kLab, "timeouts: {response: 100ms}");
  const Origin origin;
  const std::vector<std::tuple<std::string, std::string, std::string>> cases = {
      {"", "502", "http_response_incomplete; details=\"response_incomplete\""},
      {"HTTP/1.1 200 O", "502", "http_response_incomplete; details=\"response_incomplete\""},
      {"SSH-2.0-x\r\n", "502", "http_protocol_error; details=\"bad_response\""},
      {"HTTP/1.1 200 OK\n\n", "502", "http_protocol_error; details=\"bad_response\""},
      {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "502",
       "http_protocol_error; details=\"bad_response\""},
      {"HTTP/1.1 200 OK\r\nX: " + std::string(20000, 'x'), "502",
       "http_response_header_section_size; details=\"response_too_large\""},
  };
  for (const auto& [said, status, error] : cases) {
    auto [client, far] = asked(origin, request(origin));
    far.say(said);
    far.end();
    const std::string heard = until_refused(client);
    EXPECT_THAT(heard, StartsWith("HTTP/1.1 " + status)) << said;
    EXPECT_THAT(heard, HasSubstr("penstock; error=" + error)) << said;
  }
  Peer client = send(request(origin));
  Peer far = until_accepted(origin);
  EXPECT_THAT(until_refused(client),
              HasSubstr("error=connection_read_timeout; details=\"response_timeout\""));
}

TEST_F(Forward, RefusesABodyThatIsBadlyCut) {
  begin();
  const Origin origin;
  Peer client = send(request(origin, "POST", "Transfer-Encoding: chunked\r\n", "zz\r\n"));
  EXPECT_THAT(until_refused(client), HasSubstr("details=\"bad_chunk\""));
  expect_ending("refused", "bad_chunk", 400);
}

TEST_F(Forward, FreesTheOriginWhenTheClientLeaves) {
  begin();
  const Origin origin;
  for (const bool resets : {false, true}) {
    auto [client, far] = asked(origin, request(origin));
    resets ? client.reset() : client.close();
    until_over(far);
  }
  until_settled(2);
  EXPECT_EQ(lines_[0]["outcome"], "left");
  EXPECT_EQ(lines_[1]["outcome"], "left");
  expect_nothing_held();
}

TEST_F(Forward, AsksAgainWhereAnIdleConnectionWasDead) {
  begin();
  const Origin origin;
  auto [client, far] = asked(origin, request(origin));
  far.say(answer("x"));
  until_heard(client, answered("x"));
  until_lines(1);
  client.say(request(origin));
  // It was taken for alive, and closes when it is asked.
  until_asked(far);
  far.close();
  Peer second = until_accepted(origin);
  until_asked(second);
  second.say(answer("y"));
  until_heard(client, answered("y"));
  until_lines(2);
  EXPECT_EQ(lines_[1]["outcome"], "closed");
  EXPECT_FALSE(lines_[1].contains("reused"));
}

TEST_F(Forward, ThrowsAnIdleConnectionAwayThatSpeaksOrEnds) {
  begin();
  const Origin origin;
  for (const bool speaks : {false, true}) {
    auto [client, far] = asked(origin, request(origin));
    far.say(answer("x"));
    until_heard(client, answered("x"));
    until([&] { return worker_->origins().size() == 1; });
    speaks ? far.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") : far.end();
    until([&] { return worker_->origins().size() == 0; });
  }
}

TEST_F(Forward, KeepsNoConnectionOnWhichTheOriginSaidTooMuch) {
  begin();
  const Origin origin;
  auto [client, far] = asked(origin, request(origin));
  far.say(answer("x") + answer("smuggled"));
  until_heard(client, answered("x"));
  until_lines(1);
  EXPECT_EQ(worker_->origins().size(), 0u);
}

TEST_F(Forward, NeverSendsABodyByAConnectionThatMayBeClosing) {
  begin();
  const Origin origin;
  auto [client, far] = asked(origin, request(origin));
  far.say(answer("x"));
  until_heard(client, answered("x"));
  client.say(request(origin, "POST", "Content-Length: 1\r\n", "1"));
  Peer second = until_accepted(origin);
  EXPECT_THAT(until_asked(second), StartsWith("POST"));
}

TEST_F(Forward, KeepsOriginsApartByWhoIsAskedFor) {
  begin();
  const Origin origin;
  auto [client, far] = asked(origin, request(origin));
  far.say(answer("x"));
  until_heard(client, answered("x"));
  // The same address and port by another name is another site.
  const std::string name = "a.localhost:" + origin.port();
  client.say("GET http://" + name + "/ HTTP/1.1\r\nHost: " + name + "\r\n\r\n");
  Peer second = until_accepted(origin);
  EXPECT_THAT(until_asked(second), HasSubstr("Host: a.localhost"));
}

TEST_F(Forward, BecomesATunnelWhereTheOriginMakesAWebSocketOfIt) {
  begin();
  const Origin origin;
  Peer client = send(request(origin, "GET", "Connection: Upgrade\r\nUpgrade: websocket\r\n"));
  Peer far = until_accepted(origin);
  EXPECT_THAT(until_asked(far), HasSubstr("Connection: Upgrade\r\nUpgrade: websocket\r\n"));
  client.say("too early?");
  settle_turns();
  far.listen();
  EXPECT_EQ(far.heard(), "") << "not confirmed yet";
  far.say(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
      "first");
  until_heard(client, "HTTP/1.1 101 Switching Protocols\r\n" + std::string(kVia) +
                          "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst");
  until_heard(far, "too early?");
  client.say("up");
  until_heard(far, "up");
  far.say("down");
  until_heard(client, "down");
  client.end();
  far.end();
  until_over(client);
  expect_ending("closed", "", 101);
}

TEST_F(Forward, ObeysTheRules) {
  begin(R"(
policy:
  rules:
    - {name: read, allow: ["127.0.0.1:1-65535"], addresses: [127.0.0.0/8], methods: [GET, HEAD]}
    - {name: tls, allow: ["a.localhost:1-65535"], addresses: [127.0.0.0/8], tls: required}
)");
  const Origin origin;
  Peer post = send(request(origin, "POST", "Content-Length: 0\r\n"));
  EXPECT_THAT(until_refused(post), StartsWith("HTTP/1.1 403"));
  Peer tunnel = ask(origin.at().text());
  EXPECT_THAT(until_refused(tunnel), StartsWith("HTTP/1.1 403"));
  const std::string name = "a.localhost:" + origin.port();
  Peer plain = send("GET http://" + name + "/ HTTP/1.1\r\nHost: " + name + "\r\n\r\n");
  EXPECT_THAT(until_refused(plain), HasSubstr("details=\"plain_denied\""));
  EXPECT_FALSE(origin.accept());
  Peer get = send(request(origin));
  until_accepted(origin);
}

TEST_F(Forward, ReachesNoInternalAddressHoweverItIsSpelt) {
  begin("policy: {rules: [{allow: [\"*:1-65535\"]}]}");
  const Origin origin;
  for (const std::string host :
       {"127.0.0.1", "[::ffff:127.0.0.1]", "a.localhost", "localhost.", "[::1]", "0.0.0.0",
        "169.254.169.254", "[fd00:ec2::254]", "2130706433", "0x7f000001", "127.1"}) {
    const std::string at = host + ":" + origin.port();
    Peer client = send("GET http://" + at + "/ HTTP/1.1\r\nHost: " + at + "\r\n\r\n");
    const std::string heard = until_refused(client);
    EXPECT_TRUE(heard.starts_with("HTTP/1.1 403") || heard.starts_with("HTTP/1.1 400"))
        << host << ": " << heard;
  }
  EXPECT_FALSE(origin.accept());
}

TEST_F(Forward, RefusesHeadWithoutABody) {
  begin("policy: {rules: []}");
  const Origin origin;
  Peer client = send(request(origin, "HEAD"));
  EXPECT_TRUE(until_refused(client).ends_with("\r\n\r\n"));
}

TEST_F(Forward, EndsWhenTheProxyDrainsAndSaysSo) {
  begin();
  const Origin origin;
  Peer idle = send(request(origin));
  Peer far = until_accepted(origin);
  until_asked(far);
  far.say(answer("x"));
  until_heard(idle, answered("x"));
  Peer busy = send(request(origin));
  until_asked(far);
  worker_->drain();
  until_over(idle);
  EXPECT_TRUE(idle.got_end());
  far.say(answer("y"));
  until([&] { return busy.listen(), busy.over(); });
  EXPECT_THAT(busy.heard(), HasSubstr("Connection: close\r\n"));
  busy.close();
  until([&] { return worker_->live() == 0; });
  expect_nothing_held();
}

}  // namespace
}  // namespace penstock::session
