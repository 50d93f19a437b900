// The client's side of TLS, with a server's side of ours at the far end of a loopback connection.
#include "tls/client_context.h"

#include <gmock/gmock.h>

#include <array>
#include <optional>

#include "sys/socket.h"
#include "tls/rig_test.h"

namespace penstock::tls {
namespace {

using testing::HasSubstr;

class ClientContexts : public Files {
 protected:
  ClientContexts() { settings_.ca = {authority_.file(), {}}; }

  static http::Authority parent(std::string_view text) {
    return http::parse_authority(text).value();
  }
  void open() {
    Faults faults;
    Faults warnings;
    ours_ = ClientContext::open(settings_, {parent(asked_)}, faults, warnings);
    ASSERT_TRUE(ours_) << faults[0].message;
  }
  // A new connection between the two, in which `shown` is the parent's certificate.
  void begin(const Issued& shown) {
    if (!ours_) open();
    listener_.certificates = {shown.files()};
    Faults faults;
    Faults warnings;
    theirs_ = ServerContext::open(listener_, "tls", {"http/1.1"}, keys_, faults, warnings);
    ASSERT_TRUE(theirs_) << faults[0].message;
    const auto at = sys::open_listener(*Endpoint::parse("127.0.0.1:0"), {}).value();
    near_.reset();
    far_.reset();
    near_stream_ =
        loop::Stream(loop_, sys::start_connect(sys::local_endpoint(at.get()).value(), {}).value());
    far_stream_ = loop::Stream(loop_, std::move(sys::accept_connection(at.get()).value().fd));
    near_ = std::make_unique<Session>(ours_, parent(asked_), near_stream_, outbox_);
    far_ = std::make_unique<Session>(theirs_, far_stream_, outbox_);
  }
  // Empty: both are done.
  std::optional<Error> shake() {
    bool near_done = false;
    bool far_over = false;
    for (int i = 0; i < 1000 && !(near_done && far_over); ++i) {
      loop_.turn(false);
      if (!near_done) {
        const auto progress = near_->handshake();
        if (progress.failed) return progress.failed;
        near_done = progress.done;
      }
      if (!far_over) {
        const auto progress = far_->handshake();
        far_over = progress.done || progress.failed;
      }
    }
    EXPECT_TRUE(near_done && far_over);
    return std::nullopt;
  }
  std::optional<Code> outcome(const Issued& shown) {
    begin(shown);
    const auto failed = shake();
    return failed ? std::optional(failed->code) : std::nullopt;
  }
  std::string read(Session& from) {
    std::array<uint8_t, 64> buffer;
    for (int i = 0; i < 1000; ++i) {
      loop_.turn(false);
      const loop::Moved moved = from.read(buffer);
      if (moved.would_block()) continue;
      if (!moved.bytes()) return "error " + std::to_string(moved.error());
      return {buffer.begin(), buffer.begin() + moved.count};
    }
    return "nothing";
  }
  bool carries() {
    constexpr std::array<uint8_t, 4> kPing = {'p', 'i', 'n', 'g'};
    return near_->write(kPing).count == 4 && read(*far_) == "ping" &&
           far_->write(kPing).count == 4 && read(*near_) == "ping";
  }

  std::string asked_ = "parent.example:3129";
  const Issued good_ = issue({.alternative = "DNS:parent.example, IP:192.0.2.7"});
  config::Parents settings_;
  config::Tls listener_;
  std::shared_ptr<TicketKeys> keys_ = std::make_shared<TicketKeys>();
  ClientContextPtr ours_;
  ServerContextPtr theirs_;
  loop::Loop loop_;
  loop::Stream near_stream_, far_stream_;
  Session::Outbox outbox_;
  std::unique_ptr<Session> near_, far_;
};

TEST_F(ClientContexts, ReachTheParentThatTheyName) {
  EXPECT_EQ(outcome(good_), std::nullopt);
  EXPECT_TRUE(carries());
  EXPECT_STREQ(near_->version(), "TLSv1.3");
  EXPECT_EQ(far_->peer().sni, "parent.example");
  EXPECT_EQ(far_->peer().alpn, "http/1.1");
}

TEST_F(ClientContexts, SendNoAddressAsAName) {
  asked_ = "192.0.2.7:3129";
  EXPECT_EQ(outcome(good_), std::nullopt);
  EXPECT_EQ(far_->peer().sni, "");
}

TEST_F(ClientContexts, TakeNoOtherParentsCertificate) {
  for (const char* asked : {"other.example:3129", "sub.parent.example:3129", "192.0.2.8:3129"}) {
    asked_ = asked;
    ours_.reset();
    EXPECT_EQ(outcome(good_), Code::kParentCertificate) << asked;
    EXPECT_THAT(near_->reason(), HasSubstr("mismatch"));
  }
}

TEST_F(ClientContexts, TakeNoCommonNameForAName) {
  asked_ = "proxy.example:3129";  // which is the common name of both
  EXPECT_EQ(outcome(good_), Code::kParentCertificate);
  EXPECT_EQ(outcome(issue({})), Code::kParentCertificate);
}

TEST_F(ClientContexts, LetAWildcardStandForOneLabel) {
  const Issued any = issue({.alternative = "DNS:*.corp.example"});
  const Issued part = issue({.alternative = "DNS:par*.corp.example"});
  asked_ = "parent.corp.example:3129";
  EXPECT_EQ(outcome(any), std::nullopt);
  EXPECT_EQ(outcome(part), Code::kParentCertificate);
  asked_ = "a.parent.corp.example:3129";
  ours_.reset();
  EXPECT_EQ(outcome(any), Code::kParentCertificate);
}

TEST_F(ClientContexts, TakeNoCertificateThatHasExpired) {
  EXPECT_EQ(outcome(issue({.alternative = "DNS:parent.example", .days = -1})),
            Code::kParentCertificate);
  EXPECT_STREQ(near_->reason(), "certificate has expired");
}

TEST_F(ClientContexts, TakeNobodysCertificateWhomTheyDoNotTrust) {
  const Issued forged(directory_, {.alternative = "DNS:parent.example"}, &stranger_);
  EXPECT_EQ(outcome(forged), Code::kParentCertificate);
  settings_.ca = {stranger_.file(), {}};
  ours_.reset();
  EXPECT_EQ(outcome(forged), std::nullopt);
  EXPECT_EQ(outcome(good_), Code::kParentCertificate);
}

TEST_F(ClientContexts, ShowOurCertificateToWhoeverAsks) {
  const Issued child = issue({.name = "child"});
  settings_.certificate = {child.file(), {}};
  settings_.key = {child.key_file(), {}};
  listener_.client_certificates = config::ClientCertificates::kRequired;
  listener_.client_ca = {authority_.file(), {}};
  EXPECT_EQ(outcome(good_), std::nullopt);
  ASSERT_TRUE(far_->peer().certificate);
  EXPECT_EQ(far_->peer().certificate->subject, "CN=child,O=Example");
}

// With TLS 1.3 the parent looks at the certificate when we are done.
TEST_F(ClientContexts, KnowAnAlertBehindTheHandshake) {
  listener_.client_certificates = config::ClientCertificates::kRequired;
  listener_.client_ca = {authority_.file(), {}};
  EXPECT_EQ(outcome(good_), std::nullopt);
  EXPECT_EQ(read(*near_), "error " + std::to_string(EPROTO));
  EXPECT_TRUE(near_->alerted());
  EXPECT_THAT(near_->reason(), HasSubstr("certificate required"));
}

TEST_F(ClientContexts, KnowWhatIsNoTls) {
  begin(good_);
  near_->handshake();
  const std::string words = "HTTP/1.1 400 Bad Request\r\n\r\n";
  ASSERT_EQ(::send(far_stream_.fd(), words.data(), words.size(), 0),
            static_cast<ssize_t>(words.size()));
  std::optional<Error> failed;
  for (int i = 0; i < 100 && !failed; ++i) {
    loop_.turn(false);
    failed = near_->handshake().failed;
  }
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->code, Code::kParentPlain);
}

TEST_F(ClientContexts, KnowWhoBreaksOff) {
  begin(good_);
  near_->handshake();
  far_.reset();
  far_stream_.close();
  std::optional<Error> failed;
  for (int i = 0; i < 100 && !failed; ++i) {
    loop_.turn(false);
    failed = near_->handshake().failed;
  }
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->code, Code::kParentTls);
  EXPECT_STREQ(near_->reason(), "it broke off");
}

TEST_F(ClientContexts, TakeASessionUpAgainHoweverItsTunnelEnded) {
  EXPECT_EQ(outcome(good_), std::nullopt);
  EXPECT_TRUE(carries());  // a ticket came along
  EXPECT_FALSE(near_->resumed());
  for (const bool orderly : {false, true}) {
    if (orderly) near_->shutdown_write();
    EXPECT_EQ(outcome(good_), std::nullopt);
    EXPECT_TRUE(near_->resumed()) << orderly;
    EXPECT_TRUE(carries());
  }
}

TEST_F(ClientContexts, ForgetSessionsWithWhatWasTrusted) {
  EXPECT_EQ(outcome(good_), std::nullopt);
  EXPECT_TRUE(carries());
  settings_.ca = {stranger_.file(), {}};
  ours_.reset();
  EXPECT_EQ(outcome(good_), Code::kParentCertificate);
}

TEST_F(ClientContexts, AreOpenedForAConfigurationThatNeedsThem) {
  const auto opened = [&](const std::string& via, const std::string& parents) {
    auto config =
        config::parse("listeners: [{address: 127.0.0.1:1}]\n" + parents +
                          "\npolicy: {rules: [{allow: ['*:443'], via: ['" + via + "']}]}\n",
                      "f");
    EXPECT_TRUE(config);
    Faults warnings;
    auto out = open_client_context(**config, &warnings);
    std::string said = out ? (*out ? "open" : "none") : out.error()[0].message;
    for (const Fault& warning : warnings) said += "; " + warning.message;
    return said;
  };
  const std::string ca = "parents: {ca: " + authority_.file() + "}";
  EXPECT_EQ(opened("http://p.test", ""), "none");
  EXPECT_EQ(opened("https://p.test", ca), "open");
  EXPECT_THAT(opened("http://p.test", ca), HasSubstr("none; parents: no rule has a parent"));
  EXPECT_THAT(opened("https://p.test", "parents: {ca: /nowhere/ca.pem}"),
              HasSubstr("parents.ca: /nowhere/ca.pem cannot be read"));
}

// --- bytes that were read in front of the handshake

TEST_F(ClientContexts, MeetASessionThatIsGivenTheBytesThatWereReadBeforeIt) {
  for (const size_t size : {1, 5, 200, 4096}) {
    begin(good_);
    std::vector<uint8_t> early(size);
    ssize_t got = -1;
    for (int i = 0; i < 1000 && got <= 0; ++i) {
      loop_.turn(false);
      near_->handshake();
      got = ::recv(far_stream_.fd(), early.data(), early.size(), MSG_DONTWAIT);
    }
    ASSERT_GT(got, 0);
    early.resize(static_cast<size_t>(got));
    far_ = std::make_unique<Session>(theirs_, far_stream_, outbox_, std::move(early));
    EXPECT_TRUE(far_->pending());
    EXPECT_EQ(shake(), std::nullopt) << size;
    EXPECT_FALSE(far_->pending());
    EXPECT_TRUE(carries());
  }
}

}  // namespace
}  // namespace penstock::tls
