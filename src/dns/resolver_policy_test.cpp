// What the resolver decides without or beside the name servers: files, search lists, bounds,
// reloads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dns/resolver.h"
#include "dns/resolver_rig.h"

namespace penstock::dns {
namespace {

using scripted::Question;
using scripted::Server;
using testing::ElementsAre;

class ResolverPolicyTest : public ResolverRig {};

TEST_F(ResolverPolicyTest, LetsTheHostsFileWin) {
  write(files_.hosts, "192.0.2.7 a.example\n2001:db8::7 a.example\n");
  Server server(loop_, scripted::addresses("192.0.2.1", ""));
  Resolver resolver = make({server.endpoint()});
  const auto answer = ask(resolver, "a.example");
  EXPECT_EQ(words(answer), "2001:db8::7 192.0.2.7");
  EXPECT_TRUE(answer->complete);
  EXPECT_EQ(server.count(), 0u);
  Resolver v6 = make({server.endpoint()}, config::Family::kV6);
  EXPECT_EQ(words(ask(v6, "a.example")), "2001:db8::7");
}

TEST_F(ResolverPolicyTest, FollowsTheHostsFile) {
  write(files_.hosts, "192.0.2.7 a.example\n");
  Server server(loop_, scripted::rcode(3));
  Resolver resolver = make({server.endpoint()});
  EXPECT_EQ(words(ask(resolver, "a.example")), "192.0.2.7");
  write(files_.hosts, "192.0.2.77 a.example\n");
  turn_until_asking(resolver, "192.0.2.77");
  ::unlink(files_.hosts.c_str());
  turn_until_asking(resolver, "no_such_name");
}

TEST_F(ResolverPolicyTest, FollowsTheSearchListOfResolvConf) {
  write(files_.resolv_conf, "search one.example\n");
  settings_.search = true;
  settings_.negative_ttl = std::chrono::milliseconds(1);
  Server server(loop_, [](const Question& question) {
    if (question.name == "a.two.example") return scripted::addresses("192.0.2.2", "")(question);
    return scripted::rcode(3)(question);
  });
  Resolver resolver = make({server.endpoint()});
  EXPECT_EQ(words(ask(resolver, "a")), "no_such_name");
  write(files_.resolv_conf, "search two.example\n");
  turn_until_asking(resolver, "192.0.2.2", "a");
}

TEST_F(ResolverPolicyTest, ForgetsWhatOtherServersSaidWhenResolvConfNamesNewOnes) {
  Server server(loop_, scripted::addresses("192.0.2.1", ""));
  write(files_.resolv_conf, "nameserver 127.0.0.1\noptions attempts:1\n");
  Resolver resolver = make({server.endpoint()});
  EXPECT_EQ(words(ask(resolver, "a.example")), "192.0.2.1");
  server.follow(scripted::addresses("192.0.2.2", ""));
  EXPECT_EQ(words(ask(resolver, "a.example")), "192.0.2.1");
  write(files_.resolv_conf, "nameserver 127.0.0.1\noptions attempts:3\n");
  turn_until_asking(resolver, "192.0.2.2");
}

TEST_F(ResolverPolicyTest, KeepsLocalhostOnThisMachine) {
  Server server(loop_, scripted::addresses("192.0.2.1", ""));
  Resolver resolver = make({server.endpoint()});
  EXPECT_EQ(words(ask(resolver, "localhost")), "::1 127.0.0.1");
  EXPECT_EQ(words(ask(resolver, "a.localhost")), "::1 127.0.0.1");
  Resolver v4 = make({server.endpoint()}, config::Family::kV4);
  EXPECT_EQ(words(ask(v4, "localhost")), "127.0.0.1");
  EXPECT_EQ(server.count(), 0u);
}

TEST_F(ResolverPolicyTest, AddsNoSearchDomainUnlessItIsTold) {
  write(files_.resolv_conf, "search corp.example\noptions ndots:5\n");
  Server server(loop_, scripted::rcode(3));
  Resolver resolver = make({server.endpoint()}, config::Family::kV4);
  EXPECT_EQ(words(ask(resolver, "host")), "no_such_name");
  EXPECT_THAT(asked(server), ElementsAre("host/A"));
}

TEST_F(ResolverPolicyTest, TriesSearchDomainsInOrder) {
  write(files_.resolv_conf, "search ns.svc.example svc.example\noptions ndots:2\n");
  settings_.search = true;
  Server server(loop_, scripted::rcode(3));
  Resolver resolver = make({server.endpoint()}, config::Family::kV4);
  EXPECT_EQ(words(ask(resolver, "db")), "no_such_name");
  EXPECT_THAT(asked(server), ElementsAre("db.ns.svc.example/A", "db.svc.example/A", "db/A"));
}

TEST_F(ResolverPolicyTest, TakesNoOtherNameBecauseAServerFailed) {
  write(files_.resolv_conf, "search one.example two.example\n");
  settings_.search = true;
  Server server(loop_, [](const Question& question) {
    if (question.name == "db.one.example") return scripted::rcode(2)(question);
    return scripted::addresses("192.0.2.66", "")(question);
  });
  Resolver resolver = make({server.endpoint()}, config::Family::kV4);
  EXPECT_EQ(words(ask(resolver, "db")), "dns_failed");
}

TEST_F(ResolverPolicyTest, RefusesMoreLookupsThanItMayHaveInFlight) {
  Server server(loop_, scripted::silence());
  Resolver resolver = make({server.endpoint()}, config::Family::kV4);
  std::vector<Result<Answer>> answers(1024, fail(Code::kAborted));
  int left = 1024;
  for (size_t i = 0; i < answers.size(); ++i) {
    start(resolver, "n" + std::to_string(i) + ".example", &answers[i], &left);
  }
  EXPECT_EQ(left, 1024);
  EXPECT_EQ(resolver.counts().in_flight, 1024u);
  EXPECT_EQ(words(ask(resolver, "one.more.example")), "dns_busy");
  // Joining is no new lookup.
  EXPECT_EQ(words(ask(resolver, "n0.example", Wanted::kSoon, std::chrono::milliseconds(20))),
            "dns_timeout");
  tasks_.end_all();
}

TEST_F(ResolverPolicyTest, ServesMoreLookupsThanChannelsInTheEnd) {
  Server server(loop_, scripted::addresses("192.0.2.1", ""));
  Resolver resolver = make({server.endpoint()});
  std::vector<Result<Answer>> answers(400, fail(Code::kAborted));
  static_assert(2 * 400 > ChannelPool::kChannelsMax);
  int left = 400;
  for (size_t i = 0; i < answers.size(); ++i) {
    start(resolver, "n" + std::to_string(i) + ".example", &answers[i], &left);
  }
  turn_until([&] { return left == 0; });
  for (const auto& answer : answers) ASSERT_EQ(words(answer), "192.0.2.1");
  EXPECT_EQ(resolver.counts().entries, 400u);
  EXPECT_EQ(resolver.counts().in_flight, 0u);
}

TEST_F(ResolverPolicyTest, RemembersNoMoreNamesThanItMay) {
  Server server(loop_, scripted::addresses("192.0.2.1", ""));
  settings_.cache_entries = 5;
  Resolver resolver = make({server.endpoint()}, config::Family::kV4);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(words(ask(resolver, "n" + std::to_string(i) + ".example")), "192.0.2.1");
  }
  EXPECT_EQ(resolver.counts().entries, 5u);
}

TEST_F(ResolverPolicyTest, WorksWithoutACache) {
  Server server(loop_, scripted::addresses("192.0.2.1", ""));
  settings_.cache_entries = 0;
  Resolver resolver = make({server.endpoint()}, config::Family::kV4);
  EXPECT_EQ(words(ask(resolver, "a.example")), "192.0.2.1");
  EXPECT_EQ(words(ask(resolver, "a.example")), "192.0.2.1");
  EXPECT_EQ(server.count(), 2u);
}

TEST_F(ResolverPolicyTest, KeepsTheCacheAcrossAReloadThatLeavesTheServersAlone) {
  Server server(loop_, scripted::addresses("192.0.2.1", ""));
  Resolver resolver = make({server.endpoint()}, config::Family::kV4);
  EXPECT_EQ(words(ask(resolver, "a.example")), "192.0.2.1");
  settings_.negative_ttl *= 2;
  resolver.reconfigure(settings_, config::Family::kV4);
  EXPECT_EQ(words(ask(resolver, "a.example")), "192.0.2.1");
  EXPECT_EQ(server.count(), 1u);
  settings_.search = true;
  resolver.reconfigure(settings_, config::Family::kV4);
  EXPECT_EQ(words(ask(resolver, "a.example")), "192.0.2.1");
  EXPECT_EQ(server.count(), 2u);
}

TEST_F(ResolverPolicyTest, FinishesUnderTheOldServersWhatWasInFlightAndForgetsIt) {
  Server old_server(loop_, scripted::addresses("192.0.2.1", ""));
  Server new_server(loop_, scripted::addresses("192.0.2.2", ""));
  Resolver resolver = make({old_server.endpoint()}, config::Family::kV4);
  std::vector<Result<Answer>> answers(2, fail(Code::kAborted));
  int left = 2;
  start(resolver, "a.example", &answers[0], &left);
  settings_.servers = {new_server.endpoint()};
  resolver.reconfigure(settings_, config::Family::kV4);
  start(resolver, "a.example", &answers[1], &left);
  turn_until([&] { return left == 0; });
  EXPECT_EQ(words(answers[0]), "192.0.2.1");
  EXPECT_EQ(words(answers[1]), "192.0.2.2");
  EXPECT_EQ(words(ask(resolver, "a.example")), "192.0.2.2");
  EXPECT_EQ(new_server.count(), 1u);
}

}  // namespace
}  // namespace penstock::dns
