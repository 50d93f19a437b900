#include "tls/session.h"

#include <gmock/gmock.h>
#include <netinet/in.h>

#include <random>

#include "sys/socket.h"
#include "tls/rig_test.h"

namespace penstock::tls {
namespace {

using testing::ElementsAre;

// A connection over loopback: a Session at the near end, a client at the far one.
class SessionTest : public Files {
 protected:
  SessionTest() : server_(issue({.alternative = "DNS:proxy.example"})) {
    listener_.certificates = {server_.files()};
    context_.reset(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_mode(context_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE);
  }

  void begin() {
    Faults faults;
    Faults warnings;
    const auto context =
        ServerContext::open(listener_, "tls", {"http/1.1"}, keys_, faults, warnings);
    ASSERT_TRUE(context) << (faults.empty() ? "" : faults[0].message);
    const auto at = sys::open_listener(*Endpoint::parse("127.0.0.1:0"), {}).value();
    auto far = sys::start_connect(sys::local_endpoint(at.get()).value(), {}).value();
    auto near = sys::accept_connection(at.get()).value();
    session_.reset();
    stream_ = loop::Stream(loop_, std::move(near.fd));
    session_ = std::make_unique<Session>(context, stream_, outbox_);
    client_.emplace(std::move(far), context_.get());
    if (!server_name_.empty()) SSL_set_tlsext_host_name(client_->ssl(), server_name_.c_str());
  }

  // Both ends, until the server's has an opinion.
  std::optional<Error> shake() {
    for (int i = 0; i < 1000; ++i) {
      if (client_->error() == 0) client_->shake();
      loop_.turn(false);
      const auto progress = session_->handshake();
      if (progress.failed) return progress.failed;
      if (progress.done) {
        client_->shake();
        return std::nullopt;
      }
    }
    ADD_FAILURE() << "a handshake without end";
    return Error{Code::kTlsTimeout};
  }
  void connect() {
    begin();
    const auto failed = shake();
    ASSERT_FALSE(failed) << failed->facts().word;
  }

  // What the near end reads once there is something.
  loop::Moved read(std::span<uint8_t> into) {
    for (int i = 0; i < 1000; ++i) {
      loop_.turn(false);
      const loop::Moved moved = session_->read(into);
      if (!moved.would_block()) return moved;
    }
    return {-EAGAIN};
  }
  std::string read_text() {
    std::array<uint8_t, 4096> buffer;
    const loop::Moved moved = read(buffer);
    return moved.bytes() ? std::string(buffer.begin(), buffer.begin() + moved.count)
                         : "error " + std::to_string(moved.error());
  }
  void write(std::string_view text) {
    ASSERT_EQ(session_->write({reinterpret_cast<const uint8_t*>(text.data()), text.size()}).count,
              static_cast<long>(text.size()));
  }
  bool goes_on() {
    client_->say("ping");
    if (read_text() != "ping") return false;
    write("pong");
    client_->listen();
    return client_->heard().ends_with("pong");
  }

  const Issued server_;
  config::Tls listener_;
  std::string server_name_ = "proxy.example";
  std::shared_ptr<TicketKeys> keys_ = std::make_shared<TicketKeys>();
  OwnedContext context_;  // the client's
  loop::Loop loop_;
  loop::Stream stream_;
  Session::Outbox outbox_;
  std::unique_ptr<Session> session_;
  std::optional<Client> client_;
};

TEST_F(SessionTest, CarriesBytesBothWaysAndSaysWhatWasAgreedOn) {
  const unsigned char offered[] = {2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  SSL_CTX_set_alpn_protos(context_.get(), offered, sizeof(offered));
  connect();
  EXPECT_TRUE(goes_on());
  const Peer peer = session_->peer();
  EXPECT_STREQ(peer.version_word, "TLSv1.3");
  EXPECT_STREQ(peer.cipher, "TLS_AES_128_GCM_SHA256");
  EXPECT_EQ(peer.alpn, "http/1.1");
  EXPECT_EQ(peer.sni, "proxy.example");
  EXPECT_FALSE(peer.resumed);
  EXPECT_FALSE(peer.certificate);
}

TEST_F(SessionTest, FollowsTheStreamThatItIsPutOn) {
  connect();
  Session& session = *session_;
  stream_.put_on(std::move(session_));
  loop::Stream elsewhere(std::move(stream_));
  client_->say("ping");
  std::array<uint8_t, 16> buffer;
  loop::Moved moved{-EAGAIN};
  for (int i = 0; i < 1000 && moved.would_block(); ++i) {
    loop_.turn(false);
    moved = elsewhere.read(buffer);
  }
  EXPECT_EQ(moved.count, 4);
  stream_ = std::move(elsewhere);
  const uint8_t pong[] = {'p', 'o', 'n', 'g'};
  EXPECT_EQ(stream_.write(pong).count, 4);
  EXPECT_EQ(stream_.transport(), &session);
  client_->listen();
  EXPECT_EQ(client_->heard(), "pong");
}

TEST_F(SessionTest, ReadsARequestThatCameWithTheEndOfTheHandshake) {
  begin();
  for (int i = 0; i < 100 && !client_->shake(); ++i) {
    loop_.turn(false);
    session_->handshake();
  }
  client_->say("CONNECT");  // the server has not read the client's Finished yet
  EXPECT_FALSE(shake());
  EXPECT_TRUE(stream_.source().ready(loop::kReadable));
  EXPECT_EQ(read_text(), "CONNECT");
}

TEST_F(SessionTest, GoesOnSendingAfterTheClientHasEnded) {
  connect();
  client_->say("all");
  client_->close_notify();
  std::array<uint8_t, 16> buffer;
  EXPECT_EQ(read(buffer).count, 3);
  EXPECT_TRUE(read(buffer).end());
  write("an answer");
  client_->listen();
  EXPECT_EQ(client_->heard(), "an answer");
}

TEST_F(SessionTest, GoesOnReadingAfterItHasEnded) {
  connect();
  EXPECT_TRUE(session_->shutdown_write());
  client_->listen();
  EXPECT_TRUE(client_->got_close_notify());
  client_->say("more");
  EXPECT_EQ(read_text(), "more");
}

TEST_F(SessionTest, TakesAFinWithoutCloseNotifyForACut) {
  connect();
  client_->say("half of it");
  client_->fin();
  EXPECT_EQ(read_text(), "half of it");
  std::array<uint8_t, 16> buffer;
  EXPECT_EQ(read(buffer).error(), ENODATA);
}

TEST_F(SessionTest, KnowsPlainHttp) {
  begin();
  ASSERT_EQ(::send(client_->fd(), "CONNECT a:1 HTTP/1.1\r\n\r\n", 24, 0), 24);
  for (int i = 0; i < 100; ++i) {
    loop_.turn(false);
    const auto progress = session_->handshake();
    if (!progress.failed) continue;
    EXPECT_EQ(progress.failed->code, Code::kTlsPlainHttp);
    char byte;
    EXPECT_EQ(::recv(client_->fd(), &byte, 1, MSG_DONTWAIT), -1) << "no alert for those";
    return;
  }
  FAIL() << "not noticed";
}

TEST_F(SessionTest, RefusesWhatIsNoTls) {
  begin();
  ASSERT_EQ(::send(client_->fd(), "\x05\x01\x00 and more of it", 18, 0), 18);
  std::optional<Error> failed;
  for (int i = 0; i < 100 && !failed; ++i) {
    loop_.turn(false);
    failed = session_->handshake().failed;
  }
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->code, Code::kTlsFailed);
}

TEST_F(SessionTest, RefusesOldVersions) {
  SSL_CTX_set_security_level(context_.get(), 0);
  SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context_.get(), TLS1_1_VERSION);
  begin();
  const auto failed = shake();
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->code, Code::kTlsVersion);
  client_->shake();
  EXPECT_EQ(ERR_GET_REASON(client_->error()), SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
}

TEST_F(SessionTest, SpeaksTls12WithForwardSecrecyOnly) {
  SSL_CTX_set_max_proto_version(context_.get(), TLS1_2_VERSION);
  connect();
  EXPECT_STREQ(session_->peer().version_word, "TLSv1.2");
  EXPECT_TRUE(goes_on());
  SSL_CTX_set_cipher_list(context_.get(), "AES128-GCM-SHA256");
  begin();
  const auto failed = shake();
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->code, Code::kTlsCipher);
}

TEST_F(SessionTest, RefusesAClientWithoutAProtocolInCommon) {
  const unsigned char offered[] = {3, 'f', 't', 'p'};
  SSL_CTX_set_alpn_protos(context_.get(), offered, sizeof(offered));
  begin();
  const auto failed = shake();
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->code, Code::kTlsAlpn);
}

TEST_F(SessionTest, HearsThatAClientDoesNotTrustIt) {
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
  X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()),
                      const_cast<X509*>(stranger_.certificate()));
  begin();
  const auto failed = shake();
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->code, Code::kCertificateDistrusted);
}

// --- names

TEST_F(SessionTest, ShowsTheCertificateOfTheNameThatIsAskedFor) {
  const Issued other = issue({.name = "other", .alternative = "DNS:Other.Example, DNS:x.test"});
  const Issued any = issue({.name = "any", .alternative = "DNS:*.proxies.example"});
  listener_.certificates = {server_.files(), other.files(), any.files()};
  const auto shown = [&](std::string name) {
    server_name_ = std::move(name);
    connect();
    const OwnedCertificate seen(SSL_get1_peer_certificate(client_->ssl()));
    for (const Issued* one : {&server_, &other, &any}) {
      if (X509_cmp(seen.get(), one->certificate()) == 0) return one;
    }
    return static_cast<const Issued*>(nullptr);
  };
  EXPECT_EQ(shown("other.example"), &other);
  EXPECT_EQ(shown("OTHER.example"), &other);
  EXPECT_EQ(shown("a.proxies.example"), &any);
  EXPECT_EQ(shown("a.b.proxies.example"), &server_) << "a wildcard is for one label";
  EXPECT_EQ(shown("proxies.example"), &server_);
  EXPECT_EQ(shown("unheard-of.example"), &server_);
  EXPECT_EQ(shown(""), &server_);
}

// --- client certificates

class ClientCertificates : public SessionTest {
 protected:
  void ask(config::ClientCertificates wanted) {
    listener_.client_certificates = wanted;
    listener_.client_ca = {authority_.file(), {}};
  }
  Issued runner(long days = 2) {
    return issue({.name = "runner 7",
                  .alternative = "URI:spiffe://example.org/ci/runner, DNS:runner.example, "
                                 "email:ci@example.org",
                  .days = days});
  }
  std::optional<Code> outcome() {
    begin();
    const auto failed = shake();
    return failed ? std::optional(failed->code) : std::nullopt;
  }
};

TEST_F(ClientCertificates, SayWhoTheClientIs) {
  ask(config::ClientCertificates::kRequired);
  runner().give_to(context_.get());
  connect();
  const auto certificate = session_->peer().certificate;
  ASSERT_TRUE(certificate);
  EXPECT_EQ(certificate->subject, "CN=runner 7,O=Example");
  EXPECT_THAT(certificate->dns, ElementsAre("runner.example"));
  EXPECT_THAT(certificate->email, ElementsAre("ci@example.org"));
  EXPECT_EQ(identity_in(*certificate, identity::CertificateField::kSpiffe),
            "spiffe://example.org/ci/runner");
}

TEST_F(ClientCertificates, WithTwoUrisAreNoSvid) {
  const Issued two =
      issue({.alternative = "URI:spiffe://example.org/a, URI:https://example.org/b"});
  const auto read = read_client_certificate(two.certificate());
  EXPECT_EQ(read.uri.size(), 2u);
  EXPECT_EQ(identity_in(read, identity::CertificateField::kSpiffe), std::nullopt);
}

// What is left out of a certificate must not make a single name of two.
TEST_F(ClientCertificates, OfWhichANameIsLeftOutHaveNoneOfItsKind) {
  const Issued two = issue({.alternative = "URI:spiffe://example.org/a, URI:https://example.org/" +
                                           std::string(1024, 'b') + ", DNS:runner.example"});
  const auto read = read_client_certificate(two.certificate());
  EXPECT_EQ(identity_in(read, identity::CertificateField::kSpiffe), std::nullopt);
  EXPECT_EQ(identity_in(read, identity::CertificateField::kUri), std::nullopt);
  EXPECT_EQ(identity_in(read, identity::CertificateField::kDns), "runner.example");
}

TEST_F(ClientCertificates, MayBeLeftOutWhereTheyAreOptional) {
  ask(config::ClientCertificates::kOptional);
  connect();
  EXPECT_FALSE(session_->peer().certificate);
}

TEST_F(ClientCertificates, MustBeShownWhereTheyAreRequired) {
  ask(config::ClientCertificates::kRequired);
  EXPECT_EQ(outcome(), Code::kCertificateMissing);
}

TEST_F(ClientCertificates, OfStrangersAreRefusedEvenWhereTheyAreOptional) {
  ask(config::ClientCertificates::kOptional);
  const Issued forged(directory_, {.name = "runner 7"}, &stranger_);
  forged.give_to(context_.get());
  EXPECT_EQ(outcome(), Code::kCertificateRefused);
}

TEST_F(ClientCertificates, ThatHaveExpiredAreRefused) {
  ask(config::ClientCertificates::kRequired);
  runner(-1).give_to(context_.get());
  EXPECT_EQ(outcome(), Code::kCertificateRefused);
}

// --- tickets

class Tickets : public ClientCertificates {
 protected:
  Tickets() {
    SSL_CTX_set_session_cache_mode(context_.get(),
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context_.get(), [](SSL* ssl, SSL_SESSION* session) {
      static_cast<Tickets*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)))->keep(session);
      return 1;
    });
    SSL_CTX_set_app_data(context_.get(), this);
  }
  ~Tickets() override { keep(nullptr); }
  void keep(SSL_SESSION* session) {
    SSL_SESSION_free(kept_);
    kept_ = session;
  }
  void meet() {
    connect();
    write("hello");
    client_->listen();
    ASSERT_NE(kept_, nullptr);
  }
  bool meets_again() {
    begin();
    SSL_set_session(client_->ssl(), kept_);
    const auto failed = shake();
    EXPECT_FALSE(failed);
    return session_->peer().resumed;
  }
  SSL_SESSION* kept_ = nullptr;
};

TEST_F(Tickets, SaveAHandshakeAlsoAfterAReload) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    SSL_CTX_set_max_proto_version(context_.get(), version);
    meet();
    EXPECT_TRUE(meets_again()) << version;
    EXPECT_TRUE(goes_on());
  }
}

TEST_F(Tickets, BringTheClientsCertificateAlong) {
  ask(config::ClientCertificates::kRequired);
  runner().give_to(context_.get());
  meet();
  EXPECT_TRUE(meets_again());
  ASSERT_TRUE(session_->peer().certificate);
  EXPECT_EQ(session_->peer().certificate->subject, "CN=runner 7,O=Example");
}

TEST_F(Tickets, AreWorthNothingOnceTheClientsAuthorityIsAnother) {
  ask(config::ClientCertificates::kOptional);
  runner().give_to(context_.get());
  meet();
  listener_.client_ca = {stranger_.file(), {}};
  begin();
  SSL_set_session(client_->ssl(), kept_);
  const auto failed = shake();
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->code, Code::kCertificateRefused);
}

TEST_F(Tickets, OfAnotherProcessAreNotTaken) {
  meet();
  keys_ = std::make_shared<TicketKeys>();
  EXPECT_FALSE(meets_again());
}

TEST_F(Tickets, AreNotGivenWhereTheyAreOff) {
  listener_.tickets = false;
  connect();
  write("hello");
  client_->listen();
  EXPECT_EQ(kept_, nullptr);
}

// --- bounds

TEST_F(SessionTest, EndsAClientThatDoesNothingButUpdateItsKeys) {
  connect();
  std::array<uint8_t, 4096> buffer;
  for (int i = 0; i < 100; ++i) {
    SSL_key_update(client_->ssl(), SSL_KEY_UPDATE_REQUESTED);
    if (client_->say("x") == 0) break;
    const loop::Moved moved = read(buffer);
    client_->listen();
    if (!moved.failed()) continue;
    EXPECT_EQ(moved.error(), EPROTO);
    EXPECT_GE(i, 16);
    return;
  }
  FAIL() << "100 key updates for 100 bytes";
}

// What the socket does not take comes again, as Flow and write_all() do it; each byte once.
TEST_F(SessionTest, TakesAsMuchAsTheSocketDoesAndForgetsNothing) {
  connect();
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  std::string sent(size_t{4} << 20, '\0');
  for (char& c : sent) c = static_cast<char>(random());
  size_t at = 0;
  bool waited = false;
  while (client_->heard().size() < sent.size()) {
    loop_.turn(false);
    if (at < sent.size() && stream_.source().ready(loop::kWritable)) {
      const size_t size = std::min<size_t>(sent.size() - at, 64 * 1024);
      const auto* bytes = reinterpret_cast<const uint8_t*>(sent.data()) + at;
      const loop::Moved moved = session_->write({bytes, size});
      ASSERT_FALSE(moved.failed()) << moved.error();
      if (moved.bytes()) at += static_cast<size_t>(moved.count);
      continue;
    }
    waited = true;
    client_->listen();
  }
  EXPECT_TRUE(waited);
  EXPECT_TRUE(client_->heard() == sent);
}

TEST_F(SessionTest, ReadsAMebibyteInPiecesOfAnySize) {
  connect();
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  std::string sent(size_t{1} << 20, '\0');
  for (char& c : sent) c = static_cast<char>(random());
  std::string got;
  size_t at = 0;
  std::vector<uint8_t> buffer(size_t{64} * 1024);
  while (got.size() < sent.size()) {
    if (at < sent.size()) at += client_->say(std::string_view(sent).substr(at, 50'000));
    loop_.turn(false);
    // A reader goes by what the loop says, and must not miss what OpenSSL holds already.
    while (stream_.source().ready(loop::kReadable)) {
      const size_t size = 1 + random() % buffer.size();
      const loop::Moved moved = session_->read(std::span(buffer).first(size));
      if (moved.would_block()) {
        stream_.source().clear(loop::kReadable);
        break;
      }
      ASSERT_TRUE(moved.bytes()) << moved.error();
      got.append(buffer.begin(), buffer.begin() + moved.count);
    }
  }
  EXPECT_TRUE(got == sent);
}

}  // namespace
}  // namespace penstock::tls
