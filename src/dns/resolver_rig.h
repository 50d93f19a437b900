// For tests: a loop, a folder with the two files, and resolvers made from them.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "dns/resolver.h"
#include "dns/scripted_server.h"

namespace penstock::dns {

class ResolverRig : public testing::Test {
 protected:
  static constexpr Duration kPatience = std::chrono::seconds(20);

  ResolverRig() {
    std::string pattern = testing::TempDir() + "penstock-XXXXXX";
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    files_ = {.hosts = folder_ + "/hosts", .resolv_conf = folder_ + "/resolv.conf"};
  }
  ~ResolverRig() override {
    ::unlink(files_.hosts.c_str());
    ::unlink(files_.resolv_conf.c_str());
    ::rmdir(folder_.c_str());
  }

  static void write(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
  }

  Resolver make(std::vector<Endpoint> servers, config::Family family = config::Family::kAny) {
    settings_.servers = std::move(servers);
    return Resolver(loop_, settings_, family, files_);
  }

  // A loopback port that was free a moment ago.
  static Endpoint closed_port() {
    const sys::Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
    return {IpAddress::from_v4(127, 0, 0, 1), ntohs(address.sin_port)};
  }

  static loop::RootTask store(Resolver& resolver, std::string name, Wanted wanted, Instant deadline,
                              Result<Answer>* out, int* left) {
    *out = co_await resolver.resolve(std::move(name), wanted, deadline);
    --*left;
  }
  void start(Resolver& resolver, std::string name, Result<Answer>* out, int* left) {
    tasks_.start(store(resolver, std::move(name), Wanted::kComplete, kNever, out, left));
  }

  // A limit of zero is none.
  Result<Answer> ask(Resolver& resolver, std::string name, Wanted wanted = Wanted::kComplete,
                     Duration limit = std::chrono::seconds(10)) {
    Result<Answer> answer = fail(Code::kAborted);
    int left = 1;
    const Instant deadline = deadline_after(loop_.read_clock(), limit);
    tasks_.start(store(resolver, std::move(name), wanted, deadline, &answer, &left));
    turn_until([&] { return left == 0; });
    return answer;
  }

  void turn_until(const std::function<bool()>& done) {
    const Instant end = loop_.read_clock() + kPatience;
    loop::TaskSet guard;
    guard.start(wake_at(loop_, end));
    while (!done()) {
      ASSERT_LT(loop_.now(), end) << "waited in vain";
      loop_.turn(true);
    }
  }

  // Asks until the answer is `expected`: for files, which are looked at once per second.
  void turn_until_asking(Resolver& resolver, std::string_view expected,
                         const std::string& name = "a.example") {
    const Instant end = loop_.read_clock() + kPatience;
    while (words(ask(resolver, name)) != expected) {
      ASSERT_LT(loop_.now(), end) << "never became " << expected;
      // A pace for asking, so that waiting does not burn the processor.
      const Instant pause = loop_.read_clock() + std::chrono::milliseconds(10);
      tasks_.start(wake_at(loop_, pause));
      turn_until([&] { return loop_.now() >= pause; });
    }
  }

  static std::string words(const Result<Answer>& answer) {
    if (!answer) return std::string(answer.error().facts().word);
    std::string out;
    for (const IpAddress& address : answer->addresses) {
      out += (out.empty() ? "" : " ") + address.text();
    }
    return out;
  }
  static std::vector<std::string> asked(const scripted::Server& server) {
    std::vector<std::string> out;
    for (const auto& question : server.questions()) {
      out.push_back(question.name + (question.type == RecordType::kA ? "/A" : "/AAAA"));
    }
    return out;
  }

  loop::Loop loop_;
  config::Dns settings_;
  Files files_;
  std::string folder_;
  loop::TaskSet tasks_;  // a test that gives up on tasks ends them before its resolver

 private:
  static loop::RootTask wake_at(loop::Loop& loop, Instant end) {
    co_await loop::SleepUntil(loop, end);
  }
};

}  // namespace penstock::dns
