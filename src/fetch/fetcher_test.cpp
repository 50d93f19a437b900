#include "fetch/fetcher.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <thread>

namespace penstock::fetch {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

// Answers each connection with the same bytes, and remembers what was asked last.
class Server {
 public:
  explicit Server(std::string answer) : answer_(std::move(answer)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::listen(listener_, 64), 0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }

  std::string url(const char* host = "127.0.0.1") const {
    return std::string("http://") + host + ":" + std::to_string(port_) + "/keys?a=b";
  }
  // Once an answer has come.
  const std::string& heard() const { return heard_; }

 private:
  void serve() {
    for (;;) {
      const int client = ::accept(listener_, nullptr, nullptr);
      if (client < 0) return;
      std::string heard;
      char buffer[4096];
      while (!heard.contains("\r\n\r\n")) {
        const ssize_t got = ::read(client, buffer, sizeof(buffer));
        if (got <= 0) break;
        heard.append(buffer, static_cast<size_t>(got));
      }
      heard_ = heard;
      std::string_view rest = answer_;
      while (!rest.empty()) {
        const ssize_t sent = ::send(client, rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent <= 0) break;
        rest.remove_prefix(static_cast<size_t>(sent));
      }
      if (answer_.empty()) (void)!::read(client, buffer, sizeof(buffer));  // until it gives up
      ::close(client);
    }
  }

  const std::string answer_;
  const int listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
  int port_ = 0;
  std::string heard_;
  std::thread thread_;
};

Request to(const std::string& url) {
  return {.url = url, .ca = "", .bytes_max = 1024, .timeout = 20s};
}

Outcome ask(Request request) {
  Fetcher fetcher;
  std::optional<Outcome> out;
  fetcher.start(std::move(request), [&](Outcome outcome) { out = std::move(outcome); });
  while (!out) fetcher.wait(1s);
  EXPECT_EQ(fetcher.running(), 0u);
  return std::move(*out);
}

std::string why(Request request) {
  const Outcome out = ask(std::move(request));
  return out ? "status " + std::to_string(out->status) : out.error();
}

TEST(AFetcher, BringsTheBodyAndTheFieldsThatWereWanted) {
  const Server server(
      "HTTP/1.1 200 OK\r\nCache-Control:  max-age=60 \r\nX-A: 1\r\nX-B: 2\r\nX-B: 3\r\n"
      "Content-Length: 5\r\n\r\nhello");
  Request request = to(server.url());
  request.wanted = {"cache-control", "x-b", "x-c"};
  request.fields.emplace_back("Authorization: Basic c2VjcmV0");
  const Outcome out = ask(std::move(request));
  ASSERT_TRUE(out) << out.error();
  EXPECT_EQ(out->status, 200);
  EXPECT_EQ(out->body, "hello");
  ASSERT_NE(out->field("cache-control"), nullptr);
  EXPECT_EQ(*out->field("cache-control"), "max-age=60");
  EXPECT_EQ(out->field("x-a"), nullptr) << "nobody wanted it";
  EXPECT_EQ(out->field("x-b"), nullptr) << "which of the two?";
  EXPECT_EQ(out->fields.size(), 3u);
  EXPECT_THAT(server.heard(), HasSubstr("GET /keys?a=b HTTP/1.1\r\n"));
  EXPECT_THAT(server.heard(), HasSubstr("Authorization: Basic c2VjcmV0\r\n"));
  EXPECT_THAT(server.heard(), HasSubstr("User-Agent: penstock/"));
}

TEST(AFetcher, FollowsNoRedirectAndNoProxyOfTheEnvironment) {
  const Server elsewhere("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  const Server server("HTTP/1.1 302 Found\r\nLocation: " + elsewhere.url() +
                      "\r\nContent-Length: 0\r\n\r\n");
  for (const char* name : {"http_proxy", "all_proxy", "ALL_PROXY"}) {
    ::setenv(name, elsewhere.url().c_str(), 1);
  }
  EXPECT_EQ(why(to(server.url())), "status 302");
  for (const char* name : {"http_proxy", "all_proxy", "ALL_PROXY"}) ::unsetenv(name);
  EXPECT_EQ(elsewhere.heard(), "");
}

TEST(AFetcher, TakesSoManyBytesAndNoMore) {
  const std::string head = "HTTP/1.1 200 OK\r\n\r\n";
  const Server full(head + std::string(1024, 'a'));
  EXPECT_EQ(why(to(full.url())), "status 200");
  const Server over(head + std::string(1025, 'a'));
  EXPECT_EQ(why(to(over.url())), "the answer is larger than 1 KiB");
  const Server talkative("HTTP/1.1 200 OK\r\nX: " + std::string(66'000, 'a') + "\r\n\r\n");
  EXPECT_THAT(why(to(talkative.url())), HasSubstr("the answer is larger than 64 KiB"));
}

TEST(AFetcher, SaysWhyThereIsNoAnswer) {
  const Server silent("");
  Request request = to(silent.url());
  request.timeout = 50ms;
  EXPECT_THAT(why(std::move(request)), HasSubstr("timed out"));
  const Server other("SSH-2.0-OpenSSH\r\n\r\n");
  EXPECT_THAT(why(to(other.url())), Not(HasSubstr("status")));
  const Server cut("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_THAT(why(to(cut.url())), Not(HasSubstr("status")));
  Request encrypted = to("https" + silent.url().substr(4));
  encrypted.timeout = 50ms;
  EXPECT_THAT(why(std::move(encrypted)), Not(HasSubstr("status")));
}

TEST(AFetcher, IsAnsweredByManyAtOnceAndWokenByOthers) {
  const Server server("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
  Fetcher fetcher;
  int answers = 0;
  for (int i = 0; i < 20; ++i) {
    fetcher.start(to(server.url()), [&](const Outcome& out) { answers += out ? 1 : 0; });
  }
  while (fetcher.running() != 0) fetcher.wait(1s);
  EXPECT_EQ(answers, 20);
  std::thread other([&] { fetcher.wake(); });
  fetcher.wait(1h);
  other.join();
}

TEST(AFetcher, LeavesWhatRunsWithoutAnAnswerWhenItGoes) {
  const Server silent("");
  bool answered = false;
  {
    Fetcher fetcher;
    fetcher.start(to(silent.url()), [&](const Outcome&) { answered = true; });
    fetcher.wait(1ms);
    EXPECT_EQ(fetcher.running(), 1u);
  }
  EXPECT_FALSE(answered);
}

TEST(Freshness, IsMaxAgeLessAgeAndTheStricterOfTwo) {
  const auto of = [](std::vector<std::pair<std::string, std::string>> fields) {
    return freshness({.status = 200, .body = "", .fields = std::move(fields)});
  };
  EXPECT_EQ(of({}), std::nullopt);
  EXPECT_EQ(of({{"cache-control", "public"}}), std::nullopt);
  EXPECT_EQ(of({{"cache-control", "public, Max-Age=60, must-revalidate"}}), 60s);
  EXPECT_EQ(of({{"cache-control", "max-age=60"}, {"age", "20"}}), 40s);
  EXPECT_EQ(of({{"cache-control", "max-age=60"}, {"age", "90"}}), 0s);
  EXPECT_EQ(of({{"cache-control", "max-age=60"}, {"cache-control", "max-age=30"}}), 30s);
  EXPECT_EQ(of({{"cache-control", "max-age=60, no-store"}}), 0s);
  EXPECT_EQ(of({{"cache-control", "max-age=\"60\""}}), 0s);
  EXPECT_EQ(of({{"cache-control", "max-age=99999999999"}}), 0s);
}

}  // namespace
}  // namespace penstock::fetch
