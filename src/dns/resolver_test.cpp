// The resolver against a name server that does what the test says.
#include "dns/resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "dns/resolver_rig.h"

namespace penstock::dns {
namespace {

using scripted::Question;
using scripted::Server;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

class ResolverTest : public ResolverRig {};

TEST_F(ResolverTest, AsksForBothFamiliesAndPutsIpv6First) {
  Server server(loop_, scripted::addresses("192.0.2.1", "2001:db8::1"));
  Resolver resolver = make({server.endpoint()});
  const auto answer = ask(resolver, "a.example");
  EXPECT_EQ(words(answer), "2001:db8::1 192.0.2.1");
  EXPECT_TRUE(answer->complete);
  EXPECT_FALSE(answer->stale);
  EXPECT_THAT(asked(server), UnorderedElementsAre("a.example/A", "a.example/AAAA"));
}

TEST_F(ResolverTest, AsksOnlyForTheConfiguredFamily) {
  Server server(loop_, scripted::addresses("192.0.2.1", "2001:db8::1"));
  Resolver v4 = make({server.endpoint()}, config::Family::kV4);
  EXPECT_EQ(words(ask(v4, "a.example")), "192.0.2.1");
  Resolver v6 = make({server.endpoint()}, config::Family::kV6);
  EXPECT_EQ(words(ask(v6, "b.example")), "2001:db8::1");
  EXPECT_THAT(asked(server), ElementsAre("a.example/A", "b.example/AAAA"));
}

TEST_F(ResolverTest, FollowsAnAlias) {
  Server server(loop_, [](const Question& question) -> std::vector<Message> {
    auto reply = question.reply();
    reply.alias(question.name, "edge.example", 60);
    if (question.type == RecordType::kA) reply.address("edge.example", "192.0.2.7", 60);
    return {reply.edns().done()};
  });
  Resolver resolver = make({server.endpoint()});
  EXPECT_EQ(words(ask(resolver, "a.example")), "192.0.2.7");
}

TEST_F(ResolverTest, TellsANameThatDoesNotExistFromOneWithoutAddress) {
  Server server(loop_, [](const Question& question) {
    return scripted::rcode(question.name == "gone.example" ? 3 : 0)(question);
  });
  Resolver resolver = make({server.endpoint()});
  EXPECT_EQ(words(ask(resolver, "gone.example")), "no_such_name");
  EXPECT_EQ(words(ask(resolver, "none.example")), "no_address");
}

TEST_F(ResolverTest, SaysNoAddressIfOnlyOneFamilyIsDenied) {
  Server server(loop_, [](const Question& question) {
    return scripted::rcode(question.type == RecordType::kA ? 0 : 3)(question);
  });
  Resolver resolver = make({server.endpoint()});
  EXPECT_EQ(words(ask(resolver, "a.example")), "no_address");
}

TEST_F(ResolverTest, RemembersAbsence) {
  Server server(loop_, scripted::rcode(3));
  Resolver resolver = make({server.endpoint()});
  EXPECT_EQ(words(ask(resolver, "gone.example")), "no_such_name");
  EXPECT_EQ(words(ask(resolver, "gone.example")), "no_such_name");
  EXPECT_EQ(server.count(), 2u);
  EXPECT_EQ(resolver.counts().hits, 1u);
}

TEST_F(ResolverTest, FailsWhenTheServerFailsAndDoesNotAskItAgainAtOnce) {
  Server server(loop_, scripted::rcode(2));
  Resolver resolver = make({server.endpoint()});
  EXPECT_EQ(words(ask(resolver, "a.example")), "dns_failed");
  const size_t before = server.count();
  EXPECT_EQ(words(ask(resolver, "a.example")), "dns_failed");
  EXPECT_EQ(server.count(), before);
  EXPECT_EQ(resolver.counts().failures, 2u);
}

TEST_F(ResolverTest, GivesUpOnASilentServerAtTheDeadline) {
  Server server(loop_, scripted::silence());
  Resolver resolver = make({server.endpoint()});
  EXPECT_EQ(words(ask(resolver, "a.example", Wanted::kSoon, milliseconds(100))), "dns_timeout");
  EXPECT_EQ(resolver.counts().in_flight, 2u);
}

TEST_F(ResolverTest, EndsALookupThatNobodyAnswersWithoutADeadline) {
  Server server(loop_, scripted::silence());
  Resolver resolver = make({server.endpoint()});
  EXPECT_EQ(words(ask(resolver, "a.example", Wanted::kComplete, Duration::zero())), "dns_timeout");
  EXPECT_EQ(resolver.counts().in_flight, 0u);
}

TEST_F(ResolverTest, FailsWhenNobodyListensAtTheServersPort) {
  Resolver resolver = make({closed_port()});
  EXPECT_EQ(words(ask(resolver, "a.example", Wanted::kSoon, Duration::zero())), "dns_failed");
}

TEST_F(ResolverTest, AsksTheNextServerAndStaysWithTheOneThatAnswered) {
  Server silent(loop_, scripted::silence());
  Server good(loop_, scripted::addresses("192.0.2.1", ""));
  Resolver resolver = make({silent.endpoint(), good.endpoint()});
  EXPECT_EQ(words(ask(resolver, "a.example", Wanted::kComplete)), "192.0.2.1");
  EXPECT_EQ(silent.count(), 2u);
  EXPECT_EQ(words(ask(resolver, "b.example", Wanted::kComplete)), "192.0.2.1");
  EXPECT_EQ(silent.count(), 2u);
}

TEST_F(ResolverTest, AsksTheNextServerWhenTheFirstFails) {
  Server failing(loop_, scripted::rcode(2));
  Server good(loop_, scripted::addresses("192.0.2.1", ""));
  Resolver resolver = make({failing.endpoint(), good.endpoint()});
  EXPECT_EQ(words(ask(resolver, "a.example")), "192.0.2.1");
}

TEST_F(ResolverTest, AsksAgainOverTcpWhenTheReplyIsTruncated) {
  Server server(loop_, [](const Question& question) -> std::vector<Message> {
    if (!question.tcp) return {question.reply({.truncated = true}).edns().done()};
    auto reply = question.reply();
    if (question.type == RecordType::kA) {
      // Larger than one segment, so that it is read in parts.
      for (int i = 0; i < 250; ++i) {
        for (int j = 0; j < 8; ++j) {
          reply.address(question.name, "10.0." + std::to_string(j) + "." + std::to_string(i), 60);
        }
      }
    }
    return {reply.edns().done()};
  });
  Resolver resolver = make({server.endpoint()});
  const auto answer = ask(resolver, "large.example");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->addresses.size(), kAddressesMax);
  const auto questions = server.questions();
  EXPECT_EQ(std::ranges::count_if(questions, &Question::tcp), 2);
}

TEST_F(ResolverTest, AsksWithoutEdnsWhereItIsNotKnown) {
  Server server(loop_, [](const Question& question) -> std::vector<Message> {
    if (question.edns) return {question.reply({.rcode = 1}).done()};
    auto reply = question.reply();
    if (question.type == RecordType::kA) reply.address(question.name, "192.0.2.1", 60);
    return {reply.done()};
  });
  Resolver resolver = make({server.endpoint()});
  EXPECT_EQ(words(ask(resolver, "a.example")), "192.0.2.1");
  EXPECT_EQ(words(ask(resolver, "b.example")), "192.0.2.1");
}

TEST_F(ResolverTest, PutsOneQuestionForManyAskers) {
  Server server(loop_, scripted::addresses("192.0.2.1", ""));
  Resolver resolver = make({server.endpoint()});
  std::vector<Result<Answer>> answers(20, fail(Code::kAborted));
  int left = 20;
  for (auto& answer : answers) start(resolver, "a.example", &answer, &left);
  turn_until([&] { return left == 0; });
  for (const auto& answer : answers) EXPECT_EQ(words(answer), "192.0.2.1");
  EXPECT_EQ(server.count(), 2u);
  EXPECT_EQ(resolver.counts().coalesced, 38u);
  EXPECT_EQ(resolver.counts().lookups, 2u);
}

TEST_F(ResolverTest, KeepsTheLookupForOthersWhenAnAskerLeaves) {
  Server server(loop_, scripted::addresses("192.0.2.1", ""));
  Resolver resolver = make({server.endpoint()});
  Result<Answer> answer = fail(Code::kAborted);
  int left = 1;
  {
    loop::TaskSet leaving;
    Result<Answer> never = fail(Code::kAborted);
    int untouched = 1;
    leaving.start(store(resolver, "a.example", Wanted::kSoon, kNever, &never, &untouched));
    start(resolver, "a.example", &answer, &left);
    leaving.end_all();
    EXPECT_EQ(untouched, 1);
  }
  turn_until([&] { return left == 0; });
  EXPECT_EQ(words(answer), "192.0.2.1");
  EXPECT_EQ(server.count(), 2u);
}

TEST_F(ResolverTest, FillsTheCacheEvenIfEveryAskerLeft) {
  Server server(loop_, scripted::addresses("192.0.2.1", ""));
  Resolver resolver = make({server.endpoint()});
  {
    loop::TaskSet leaving;
    Result<Answer> never = fail(Code::kAborted);
    int left = 1;
    leaving.start(store(resolver, "a.example", Wanted::kSoon, kNever, &never, &left));
  }
  turn_until([&] { return resolver.counts().in_flight == 0; });
  EXPECT_EQ(words(ask(resolver, "a.example")), "192.0.2.1");
  EXPECT_EQ(server.count(), 2u);
}

TEST_F(ResolverTest, LeavesNoFrameWhenItEndsInTheMiddleOfLookups) {
  const int64_t frames = loop::live_frames();
  Server server(loop_, scripted::silence());
  {
    Resolver resolver = make({server.endpoint()});
    loop::TaskSet leaving;
    Result<Answer> never = fail(Code::kAborted);
    int left = 2;
    leaving.start(store(resolver, "a.example", Wanted::kSoon, kNever, &never, &left));
    leaving.start(store(resolver, "b.example", Wanted::kSoon, kNever, &never, &left));
    turn_until([&] { return server.count() == 4; });
    EXPECT_GT(loop::live_frames(), frames);
  }
  EXPECT_EQ(loop::live_frames(), frames);
}

TEST_F(ResolverTest, ServesWhatItLastHeardWhileTheServersFail) {
  Server server(loop_, scripted::addresses("192.0.2.1", "", 0));
  settings_.min_ttl = settings_.negative_ttl = milliseconds(1);
  Resolver resolver = make({server.endpoint()});
  EXPECT_EQ(words(ask(resolver, "a.example")), "192.0.2.1");
  server.follow(scripted::rcode(2));
  Result<Answer> answer = fail(Code::kAborted);
  for (int i = 0; i < 1000 && !(answer && answer->stale); ++i) answer = ask(resolver, "a.example");
  EXPECT_EQ(words(answer), "192.0.2.1");
  EXPECT_TRUE(answer && answer->stale);
  EXPECT_EQ(resolver.counts().stale, 1u);

  server.follow(scripted::rcode(3));
  for (int i = 0; i < 1000 && answer; ++i) answer = ask(resolver, "a.example");
  EXPECT_EQ(words(answer), "no_such_name");
}

TEST_F(ResolverTest, ServesWhatItLastHeardWhenTheDeadlinePassesInSilence) {
  Server server(loop_, scripted::addresses("192.0.2.1", "", 0));
  settings_.min_ttl = settings_.negative_ttl = milliseconds(1);
  Resolver resolver = make({server.endpoint()});
  EXPECT_EQ(words(ask(resolver, "a.example")), "192.0.2.1");
  server.follow(scripted::silence());
  Result<Answer> answer = fail(Code::kAborted);
  for (int i = 0; i < 1000 && !(answer && answer->stale); ++i) {
    answer = ask(resolver, "a.example", Wanted::kComplete, milliseconds(20));
  }
  EXPECT_EQ(words(answer), "192.0.2.1");
  EXPECT_TRUE(answer && answer->stale);
}

TEST_F(ResolverTest, KeepsAnAnswerWithoutLifetimeForTheLeastTtl) {
  Server server(loop_, scripted::addresses("192.0.2.1", "2001:db8::1", 0));
  settings_.min_ttl = std::chrono::minutes(1);
  Resolver resolver = make({server.endpoint()});
  EXPECT_EQ(words(ask(resolver, "a.example")), words(ask(resolver, "a.example")));
  EXPECT_EQ(server.count(), 2u);
}

TEST_F(ResolverTest, TakesNoAddressOfAnotherName) {
  Server server(loop_, [](const Question& question) -> std::vector<Message> {
    auto reply = question.reply();
    if (question.type == RecordType::kA) reply.address("evil.example", "192.0.2.66", 60);
    return {reply.edns().done()};
  });
  Resolver resolver = make({server.endpoint()});
  EXPECT_EQ(words(ask(resolver, "a.example")), "no_address");
}

TEST_F(ResolverTest, IgnoresRepliesWithAnotherIdOrQuestion) {
  Server server(loop_, [](const Question& question) -> std::vector<Message> {
    Question wrong_id = question;
    ++wrong_id.id;
    Question wrong_name = question;
    wrong_name.name = "evil.example";
    const bool a = question.type == RecordType::kA;
    std::vector<Message> replies;
    for (const Question& forged : {wrong_id, wrong_name}) {
      auto reply = forged.reply();
      if (a) reply.address("a.example", "192.0.2.66", 60);
      replies.push_back(reply.edns().done());
    }
    replies.push_back(scripted::addresses("192.0.2.1", "")(question).front());
    return replies;
  });
  Resolver resolver = make({server.endpoint()});
  EXPECT_EQ(words(ask(resolver, "a.example")), "192.0.2.1");
}

TEST_F(ResolverTest, SendsConcurrentQuestionsFromDifferentPortsWithDifferentIds) {
  Server server(loop_, scripted::silence());
  Resolver resolver = make({server.endpoint()}, config::Family::kV4);
  std::vector<Result<Answer>> answers(40, fail(Code::kAborted));
  int left = 40;
  for (size_t i = 0; i < answers.size(); ++i) {
    start(resolver, "n" + std::to_string(i) + ".example", &answers[i], &left);
  }
  turn_until([&] { return server.count() >= 40; });
  std::set<uint16_t> ports;
  std::set<uint16_t> ids;
  for (const Question& question : server.questions()) {
    ports.insert(question.port);
    ids.insert(question.id);
  }
  EXPECT_GE(ports.size(), 30u);
  EXPECT_GE(ids.size(), 30u);
  tasks_.end_all();
}

TEST_F(ResolverTest, SendsSuccessiveQuestionsFromDifferentPorts) {
  Server server(loop_, scripted::addresses("192.0.2.1", ""));
  Resolver resolver = make({server.endpoint()}, config::Family::kV4);
  for (int i = 0; i < 40; ++i) ask(resolver, "n" + std::to_string(i) + ".example");
  std::set<uint16_t> ports;
  for (const Question& question : server.questions()) ports.insert(question.port);
  EXPECT_GE(ports.size(), 30u);
}

TEST_F(ResolverTest, WaitsForTheOtherFamilyNoLongerThanTheResolutionDelay) {
  Server server(loop_, [](const Question& question) -> std::vector<Message> {
    if (question.type == RecordType::kAaaa) return {};
    return scripted::addresses("192.0.2.1", "")(question);
  });
  Resolver resolver = make({server.endpoint()});
  const auto soon = ask(resolver, "a.example", Wanted::kSoon, Duration::zero());
  EXPECT_EQ(words(soon), "192.0.2.1");
  EXPECT_FALSE(soon->complete);
  EXPECT_EQ(resolver.counts().in_flight, 1u);

  // At the deadline what is there is better than an error.
  const auto late = ask(resolver, "a.example", Wanted::kComplete, milliseconds(100));
  EXPECT_EQ(words(late), "192.0.2.1");
  EXPECT_FALSE(late->complete);

  const auto complete = ask(resolver, "a.example", Wanted::kComplete, Duration::zero());
  EXPECT_EQ(words(complete), "192.0.2.1");
  EXPECT_TRUE(complete->complete);
  EXPECT_EQ(resolver.counts().in_flight, 0u);
}

}  // namespace
}  // namespace penstock::dns
