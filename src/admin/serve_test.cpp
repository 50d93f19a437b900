#include "admin/serve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "loop/frame.h"
#include "sys/socket.h"

namespace penstock::admin {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class FakeControls final : public Controls {
 public:
  bool draining() const override { return is_draining; }
  loop::Task<Snapshot> snapshot() override {
    ++snapshots;
    Snapshot out;
    out.rules = 42;
    co_return out;
  }
  bool is_draining = false;
  int snapshots = 0;
};

class Admin : public testing::Test {
 protected:
  static std::string get(const std::string& path, const std::string& method = "GET") {
    return method + " " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
  }

  void begin(Duration patience = 20s) {
    auto listener = sys::open_listener(*Endpoint::parse("127.0.0.1:0"), {}).value();
    at_ = sys::local_endpoint(listener.get()).value();
    server_.emplace(loop_, controls_, std::move(listener), patience);
  }
  void TearDown() override {
    server_.reset();
    EXPECT_EQ(loop::live_frames(), 0);
  }

  sys::Fd connect() { return sys::start_connect(at_, {}).value(); }
  // What comes until the server closes.
  std::string hear(const sys::Fd& client) {
    std::string heard;
    const Instant end = loop_.read_clock() + 20s;
    for (;;) {
      char buffer[65536];
      const ssize_t n = ::recv(client.get(), buffer, sizeof(buffer), 0);
      if (n == 0) return heard;
      if (n > 0) heard.append(buffer, static_cast<size_t>(n));
      if (n < 0 && errno != EAGAIN) return heard + "\nerror " + std::to_string(errno);
      if (loop_.read_clock() > end) return heard + "\nwaited in vain";
      loop_.turn(false);
    }
  }
  std::string ask(const std::string& request) {
    const sys::Fd client = connect();
    EXPECT_EQ(::send(client.get(), request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    return hear(client);
  }
  static std::string body(const std::string& answer) {
    return answer.substr(answer.find("\r\n\r\n") + 4);
  }

  loop::Loop loop_;
  FakeControls controls_;
  Endpoint at_;
  std::optional<AdminServer> server_;
};

TEST_F(Admin, ServesMetrics) {
  begin();
  const std::string answer = ask(get("/metrics?x=1"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"));
  EXPECT_THAT(answer, HasSubstr("\npenstock_policy_rules 42\n"));
  EXPECT_THAT(answer,
              HasSubstr("\r\nContent-Length: " + std::to_string(body(answer).size()) + "\r\n"));
  EXPECT_EQ(controls_.snapshots, 1);
}

TEST_F(Admin, ServesCapacityAsJsonWhileItDrainsToo) {
  begin();
  controls_.is_draining = true;
  const std::string answer = ask(get("/capacity"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"));
  EXPECT_THAT(body(answer), StartsWith("{\"window_seconds\":null,"));
  EXPECT_EQ(body(ask(get("/capacity", "HEAD"))), "");
}

TEST_F(Admin, SaysWhichPagesThereAre) {
  begin();
  for (const char* page : {"/metrics", "/capacity", "/healthz", "/readyz"}) {
    EXPECT_THAT(ask(get("/")), HasSubstr(page));
    EXPECT_THAT(ask(get("/none")), HasSubstr(page));
  }
}

TEST_F(Admin, SaysThatItIsAlive) {
  begin();
  controls_.is_draining = true;
  EXPECT_THAT(ask(get("/healthz")), StartsWith("HTTP/1.1 200 OK\r\n")) << "draining is not ill";
}

TEST_F(Admin, IsReadyUntilItDrains) {
  begin();
  EXPECT_THAT(ask(get("/readyz")), StartsWith("HTTP/1.1 200 OK\r\n"));
  controls_.is_draining = true;
  EXPECT_THAT(ask(get("/readyz")), StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
}

TEST_F(Admin, AnswersHeadWithoutABody) {
  begin();
  const std::string answer = ask(get("/healthz", "HEAD"));
  EXPECT_THAT(answer, HasSubstr("\r\nContent-Length: 3\r\n"));
  EXPECT_EQ(body(answer), "");
}

TEST_F(Admin, DoesNotKnowOtherPagesOrReflectTheirNames) {
  begin();
  const std::string answer = ask(get("/<script>"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 404 Not Found\r\n"));
  EXPECT_THAT(answer, Not(HasSubstr("script")));
}

TEST_F(Admin, ChangesNothingForAPost) {
  begin();
  EXPECT_THAT(ask(get("/metrics", "POST")), StartsWith("HTTP/1.1 405 Method Not Allowed\r\n"));
  EXPECT_EQ(controls_.snapshots, 0);
}

TEST_F(Admin, AnswersOnLoopbackToAddressesAndLocalhostOnly) {
  begin();
  const auto ask_as = [&](const std::string& host) {
    return ask("GET /metrics HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
  };
  EXPECT_THAT(ask_as("rebound.example"), StartsWith("HTTP/1.1 421 "));
  EXPECT_EQ(controls_.snapshots, 0);
  EXPECT_THAT(ask_as("localhost:" + std::to_string(at_.port)), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask_as(at_.text()), StartsWith("HTTP/1.1 200 "));
}

TEST_F(Admin, RefusesWhatIsNoRequest) {
  begin();
  EXPECT_THAT(ask("hello\r\n\r\n"), StartsWith("HTTP/1.1 400 Bad Request\r\n"));
  EXPECT_THAT(ask("GET /metrics HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 400 Bad Request\r\n"));
  EXPECT_EQ(controls_.snapshots, 0);
}

TEST_F(Admin, TellsAClientThatOpensTunnelsHereThatItIsWrong) {
  begin();
  EXPECT_THAT(ask("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"),
              StartsWith("HTTP/1.1 400 Bad Request\r\n"));
}

TEST_F(Admin, CutsAClientThatIsTooSlow) {
  begin(20ms);
  EXPECT_THAT(ask("GET /metrics HT"), Not(HasSubstr("waited in vain")));
  EXPECT_EQ(controls_.snapshots, 0);
}

TEST_F(Admin, LetsAClientGoThatSaysNothing) {
  begin();
  const sys::Fd client = connect();
  ::shutdown(client.get(), SHUT_WR);
  EXPECT_EQ(hear(client), "");
}

TEST_F(Admin, TakesOnlySoManyClientsAtATime) {
  begin();
  std::vector<sys::Fd> waiting;
  for (int i = 0; i < 64; ++i) waiting.push_back(connect());
  const sys::Fd one_more = connect();
  EXPECT_EQ(hear(one_more), "");
  waiting.pop_back();
  for (int i = 0; i < 50; ++i) loop_.turn(false);
  EXPECT_THAT(ask(get("/healthz")), StartsWith("HTTP/1.1 200 OK\r\n")) << "a place was given back";
}

TEST_F(Admin, EndsWithClientsInTheMiddleOfTheirRequest) {
  begin();
  const sys::Fd client = connect();
  ASSERT_EQ(::send(client.get(), "GET", 3, MSG_NOSIGNAL), 3);
  for (int i = 0; i < 50; ++i) loop_.turn(false);
  server_.reset();
  EXPECT_EQ(loop::live_frames(), 0);
}

}  // namespace
}  // namespace penstock::admin
