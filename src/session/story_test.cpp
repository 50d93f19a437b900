#include "session/story.h"

#include <gtest/gtest.h>

#include <set>

namespace penstock::session {
namespace {

Outcome outcome(std::optional<Code> error, bool established, Step step) {
  Story story;
  if (error) story.error = Error{*error};
  story.established = established;
  story.step = step;
  return story.outcome();
}

TEST(Story, OfAClientThatLeavesBeforeItHasATunnelSaysLeft) {
  EXPECT_EQ(outcome({}, false, Step::kHead), Outcome::kLeft);
  EXPECT_EQ(outcome(Code::kClientGone, false, Step::kHead), Outcome::kLeft);
  EXPECT_EQ(outcome(Code::kClientGone, false, Step::kDial), Outcome::kLeft);
}

TEST(Story, OfARequestThatWasTurnedDownSaysRefused) {
  EXPECT_EQ(outcome(Code::kBadRequestLine, false, Step::kHead), Outcome::kRefused);
  EXPECT_EQ(outcome(Code::kNoPermit, false, Step::kAdmit), Outcome::kRefused);
  EXPECT_EQ(outcome(Code::kNameDenied, false, Step::kJudgeName), Outcome::kRefused);
  EXPECT_EQ(outcome(Code::kAddressDenied, false, Step::kJudgeAddresses), Outcome::kRefused);
  EXPECT_EQ(outcome(Code::kNoPort, false, Step::kDial), Outcome::kRefused);
  EXPECT_EQ(outcome(Code::kDnsBusy, false, Step::kResolve), Outcome::kRefused);
  EXPECT_EQ(outcome(Code::kDrained, false, Step::kDial), Outcome::kRefused);
}

TEST(Story, OfNameServersAndOriginsThatCouldNotSaysFailed) {
  EXPECT_EQ(outcome(Code::kDnsTimeout, false, Step::kResolve), Outcome::kFailed);
  EXPECT_EQ(outcome(Code::kRefused, false, Step::kDial), Outcome::kFailed);
  EXPECT_EQ(outcome(Code::kDialTimeout, false, Step::kDial), Outcome::kFailed);
}

TEST(Story, OfATunnelSaysClosedOnlyWhenBothSidesClosedIt) {
  EXPECT_EQ(outcome({}, true, Step::kCarry), Outcome::kClosed);
  EXPECT_EQ(outcome(Code::kIdle, true, Step::kCarry), Outcome::kCut);
  EXPECT_EQ(outcome(Code::kOriginReset, true, Step::kCarry), Outcome::kCut);
  EXPECT_EQ(outcome(Code::kOriginLeft, true, Step::kCarry), Outcome::kClosed);
  EXPECT_EQ(outcome(Code::kOriginReset, true, Step::kHello), Outcome::kCut);
  EXPECT_EQ(outcome(Code::kHelloTimeout, true, Step::kHello), Outcome::kCut);
  EXPECT_EQ(outcome(Code::kDrained, true, Step::kHello), Outcome::kCut);
}

TEST(Story, OfATunnelWhoseClientHelloWasTurnedDownSaysRefused) {
  EXPECT_EQ(outcome(Code::kSniMismatch, true, Step::kHello), Outcome::kRefused);
  EXPECT_EQ(outcome(Code::kTlsRequired, true, Step::kHello), Outcome::kRefused);
}

TEST(Story, OfATunnelThatANewPolicyEndsSaysCut) {
  EXPECT_EQ(outcome(Code::kPolicyChanged, true, Step::kCarry), Outcome::kCut);
}

TEST(Story, HasOneWordForEachOutcome) {
  std::set<std::string_view> words;
  for (int i = 0; i < kOutcomeCount; ++i) words.insert(outcome_word(static_cast<Outcome>(i)));
  EXPECT_EQ(words, (std::set<std::string_view>{"closed", "refused", "failed", "left", "cut"}));
}

}  // namespace
}  // namespace penstock::session
