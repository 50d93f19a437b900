#include "session/hello.h"

#include <gmock/gmock.h>

#include "session/rig_test.h"

namespace penstock::session {
namespace {

// RFC 8446 section 6: fatal, access_denied.
constexpr std::string_view kAlert("\x15\x03\x03\x00\x02\x02\x31", 7);

std::string lab(std::string_view more, std::string_view mode = "enforce") {
  return "policy:\n  mode: " + std::string(mode) +
         "\n  rules:\n    - name: lab\n      allow: [\"*.localhost:1-65535\", "
         "\"127.0.0.1:1-65535\"]\n      addresses: [127.0.0.0/8]\n" +
         std::string(more);
}

class Hellos : public Session {
 protected:
  void open(const std::string& host = "a.localhost") {
    auto both = tunnel(origin_, host);
    client_ = std::move(both.first);
    far_ = std::move(both.second);
  }
  // The tunnel passes what was said, and ends in order.
  void expect_passed(const std::string& said) {
    until_heard(far_, said);
    client_.end();
    far_.end();
    expect_ending("closed", "", 200);
  }
  void expect_refused(std::string_view error) {
    until_over(client_);
    until_over(far_);
    EXPECT_EQ(far_.heard(), "") << "nothing reaches the origin before it has been judged";
    EXPECT_TRUE(far_.got_reset());
    client_.close();
    expect_ending("refused", error, 200);
  }

  const Origin origin_;
  Peer client_{sys::Fd()};
  Peer far_{sys::Fd()};
};

TEST_F(Hellos, PassWithTheNameThatWasAskedFor) {
  begin();
  open();
  const std::string hello = client_hello("A.Localhost");
  client_.say(hello + "and more");
  expect_passed(hello + "and more");
  EXPECT_EQ(lines_[0]["sni"], "A.Localhost");
  EXPECT_EQ(lines_[0]["alpn"], "h2");
  EXPECT_EQ(lines_[0]["ech"], false);
  EXPECT_TRUE(lines_[0].contains("hello_us"));
  EXPECT_EQ(worker_->metrics().hello.counts().count, 1u);
}

TEST_F(Hellos, AreTimedUntilTheOriginAnswersThem) {
  begin();
  open();
  client_.say(client_hello("a.localhost"));
  until_heard(far_, client_hello("a.localhost"));
  far_.say("server hello");
  until_heard(client_, "server hello");
  client_.end();
  far_.end();
  expect_ending("closed", "", 200);
  EXPECT_TRUE(lines_[0].contains("server_hello_us"));
  EXPECT_EQ(worker_->metrics().server_hello.counts().count, 1u);
}

TEST_F(Hellos, ThatNobodyAnswersHaveNoTimeOfAnAnswer) {
  begin();
  open();
  client_.say(client_hello("a.localhost"));
  expect_passed(client_hello("a.localhost"));
  EXPECT_FALSE(lines_[0].contains("server_hello_us"));
  EXPECT_EQ(worker_->metrics().server_hello.counts().count, 0u);
}

TEST_F(Hellos, WithAnotherNameAreAnsweredWithAnAlert) {
  begin();
  open();
  client_.say(client_hello("b.localhost"));
  expect_refused("sni_mismatch");
  EXPECT_EQ(client_.heard(), kAlert);
  EXPECT_TRUE(client_.got_end()) << "an alert that a reset overtakes is never read";
  EXPECT_EQ(lines_[0]["sni"], "b.localhost");
  EXPECT_EQ(lines_[0]["side"], "policy");
}

TEST_F(Hellos, WithAnotherNameAreRefusedBehindTheRequestToo) {
  begin();
  client_ = ask("a.localhost:" + origin_.port(), client_hello("b.localhost"));
  far_ = until_accepted(origin_);
  expect_refused("sni_mismatch");
  EXPECT_EQ(client_.heard(), std::string(kEstablished) + std::string(kAlert));
}

TEST_F(Hellos, WithoutANameAreRefusedWhereANameWasAskedFor) {
  begin();
  open();
  client_.say(client_hello(""));
  expect_refused("sni_missing");
  EXPECT_EQ(client_.heard(), kAlert);
}

TEST_F(Hellos, WithoutANamePassWhereAnAddressWasAskedFor) {
  begin();
  open("127.0.0.1");
  client_.say(client_hello(""));
  expect_passed(client_hello(""));
}

TEST_F(Hellos, WithGreasePassUnderTheRightName) {
  begin();
  open();
  client_.say(client_hello("a.localhost", true));
  expect_passed(client_hello("a.localhost", true));
  EXPECT_EQ(lines_[0]["ech"], true);
}

TEST_F(Hellos, ThatHideTheirNameAreRefused) {
  begin();
  open();
  client_.say(client_hello("front.localhost", true));
  expect_refused("ech_denied");
}

TEST_F(Hellos, ThatHideTheirNamePassWhereTheRuleAllowsIt) {
  begin(lab("      ech: allow\n"));
  open();
  client_.say(client_hello("front.localhost", true));
  expect_passed(client_hello("front.localhost", true));
}

TEST_F(Hellos, ThatAreNoTlsPassWhereTheRuleDoesNotInsist) {
  begin();
  open();
  client_.say("SSH-2.0-x\r\n");
  expect_passed("SSH-2.0-x\r\n");
  EXPECT_FALSE(lines_[0].contains("sni"));
  EXPECT_FALSE(lines_[0].contains("hello_us"));
}

TEST_F(Hellos, ThatAreNoTlsAreResetWhereTheRuleInsists) {
  begin(lab("      tls: required\n"));
  open();
  client_.say("SSH-2.0-x\r\n");
  expect_refused("tls_required");
  EXPECT_EQ(client_.heard(), "") << "an alert means nothing to who speaks no TLS";
  EXPECT_TRUE(client_.got_reset());
}

TEST_F(Hellos, OfAClientThatSaysNothingAreRefusedWhereTheRuleInsists) {
  begin(lab("      tls: required\n"));
  open();
  client_.end();
  expect_refused("tls_required");
}

TEST_F(Hellos, OfAClientThatSaysNothingPassItsEndOn) {
  begin();
  open();
  client_.end();
  until_over(far_);
  EXPECT_TRUE(far_.got_end());
  far_.say("answer");
  far_.end();
  until_over(client_);
  EXPECT_EQ(client_.heard(), "answer");
  expect_ending("closed", "", 200);
}

TEST_F(Hellos, ThatEndInTheMiddleAreRefused) {
  begin();
  open();
  client_.say(client_hello("a.localhost").substr(0, 30));
  client_.end();
  expect_refused("bad_hello");
}

TEST_F(Hellos, ThatAreMalformedAreRefused) {
  begin();
  open();
  client_.say(std::string("\x16\x03\x01\x00\x05\x02zzzz", 10));
  expect_refused("bad_hello");
}

TEST_F(Hellos, ThatComeByteByByteReachTheOriginWholeAndOnlyThen) {
  begin();
  open();
  const std::string hello = client_hello("a.localhost");
  for (size_t i = 0; i + 1 < hello.size(); ++i) {
    client_.say(hello.substr(i, 1));
    loop_.turn(false);
  }
  settle_turns();
  far_.listen();
  EXPECT_EQ(far_.heard(), "");
  client_.say(hello.substr(hello.size() - 1));
  expect_passed(hello);
}

TEST_F(Hellos, ThatStopInTheMiddleAreCutInTime) {
  begin(kLab, "timeouts: {hello: 20ms}");
  open();
  client_.say(client_hello("a.localhost").substr(0, 30));
  until_over(client_);
  until_over(far_);
  EXPECT_TRUE(client_.got_reset());
  expect_ending("cut", "hello_timeout", 200);
}

TEST_F(Hellos, ThatNeverComeAreCutInTimeWhereTheRuleInsists) {
  begin(lab("      tls: required\n"), "timeouts: {hello: 20ms}");
  open();
  until_over(client_);
  expect_ending("cut", "hello_timeout", 200);
}

TEST_F(Hellos, ThatNeverComeMayTakeAsLongAsAnyIdleTunnel) {
  begin(kLab, "timeouts: {hello: 5ms, idle: 40ms, half_closed: 20ms}");
  open();
  until_over(client_);
  expect_ending("cut", "idle", 200);
}

TEST_F(Hellos, DoNotHoldBackAServerThatSpeaksFirst) {
  begin();
  open();
  far_.say("220 mail.example\r\n");
  until_heard(client_, "220 mail.example\r\n");
  client_.say("EHLO there\r\n");
  until_heard(far_, "EHLO there\r\n");
  far_.say("250 well\r\n");
  until_heard(client_, "250 well\r\n");
  client_.end();
  far_.end();
  expect_ending("closed", "", 200);
  EXPECT_EQ(lines_[0]["bytes_down"], 28);
}

TEST_F(Hellos, OfATunnelThatCarriesBytesAlreadyAreRefusedWithoutForgingAny) {
  begin();
  open();
  far_.say("220 mail.example\r\n");
  until_heard(client_, "220 mail.example\r\n");
  client_.say(client_hello("b.localhost"));
  until_over(client_);
  EXPECT_EQ(client_.heard(), "");
  EXPECT_TRUE(client_.got_reset());
  expect_ending("refused", "sni_mismatch", 200);
}

TEST_F(Hellos, DoNotHoldBackAnOriginThatResets) {
  begin();
  open();
  far_.reset();
  until_over(client_);
  expect_ending("cut", "origin_reset", 200);
}

TEST_F(Hellos, WithAnotherNamePassInReportModeAndAreNoted) {
  begin(lab("", "report"));
  open();
  client_.say(client_hello("b.localhost"));
  expect_passed(client_hello("b.localhost"));
  EXPECT_EQ(lines_[0]["would_deny"], true);
  EXPECT_EQ(lines_[0]["sni"], "b.localhost");
  EXPECT_EQ(worker_->metrics().would_deny.value(), 1u);
}

TEST_F(Hellos, ThatAgreeAreNoNoteInReportMode) {
  begin(lab("", "report"));
  open();
  client_.say(client_hello("a.localhost"));
  expect_passed(client_hello("a.localhost"));
  EXPECT_EQ(lines_[0]["would_deny"], false);
  EXPECT_EQ(worker_->metrics().would_deny.value(), 0u);
}

TEST_F(Hellos, AreCarriedUnreadWhereTheRuleIgnoresThem) {
  begin(lab("      tls: ignored\n"));
  open();
  client_.say(client_hello("b.localhost"));
  expect_passed(client_hello("b.localhost"));
}

}  // namespace
}  // namespace penstock::session
