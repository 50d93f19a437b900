// The hand-over from OpenSSL to the kernel, and what is there after it, with OpenSSL as the client.
#include <gmock/gmock.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <poll.h>

#include "faked_kernel.h"
#include "sys/socket.h"
#include "tls/kernel.h"
#include "tls/rig_test.h"

namespace penstock::tls {
namespace {

struct Suite {
  int version;
  const char* cipher;
};

class KernelTls : public Files {
 protected:
  KernelTls() {
    faked::kernel() = {};
    listener_.certificates = {server_.files()};
    context_.reset(SSL_CTX_new(TLS_client_method()));
    choose({TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256"});
  }
  ~KernelTls() override { faked::kernel() = {}; }

  void choose(const Suite& suite) {
    SSL_CTX_set_min_proto_version(context_.get(), suite.version);
    SSL_CTX_set_max_proto_version(context_.get(), suite.version);
    if (suite.version == TLS1_3_VERSION) {
      ASSERT_EQ(SSL_CTX_set_ciphersuites(context_.get(), suite.cipher), 1);
    } else {
      ASSERT_EQ(SSL_CTX_set_cipher_list(context_.get(), suite.cipher), 1);
    }
  }

  void connect(SSL_SESSION* again = nullptr) {
    Faults faults, warnings;
    const auto context =
        ServerContext::open(listener_, "tls", {"http/1.1"}, keys_, faults, warnings);
    ASSERT_TRUE(context) << (faults.empty() ? "" : faults[0].message);
    const auto at = sys::open_listener(*Endpoint::parse("127.0.0.1:0"), {}).value();
    auto far = sys::start_connect(sys::local_endpoint(at.get()).value(), {}).value();
    auto near = sys::accept_connection(at.get()).value();
    stream_ = loop::Stream();
    faked::kernel().sockets.clear();
    stream_ = loop::Stream(loop_, std::move(near.fd));
    auto session = std::make_unique<Session>(context, stream_, outbox_);
    client_.emplace(std::move(far), context_.get());
    if (again) SSL_set_session(client_->ssl(), again);
    bool done = false;
    for (int i = 0; i < 1000 && !done; ++i) {
      client_->shake();
      loop_.turn(false);
      const auto progress = session->handshake();
      ASSERT_FALSE(progress.failed) << progress.failed->facts().word;
      done = progress.done;
    }
    ASSERT_TRUE(done);
    client_->shake();
    stream_.put_on(std::move(session));
  }
  HandedOver hand_over() { return tls::hand_over(stream_, offer_, early_); }
  void connect_by_kernel() {
    connect();
    ASSERT_TRUE(hand_over().done);
    ASSERT_TRUE(stream_.spliceable());
  }

  loop::Moved read(size_t size = 4096) {
    std::vector<uint8_t> buffer(size);
    for (int i = 0; i < 1000; ++i) {
      loop_.turn(false);
      const loop::Moved moved = stream_.read(buffer);
      if (moved.would_block()) continue;
      if (moved.bytes()) read_.append(buffer.begin(), buffer.begin() + moved.count);
      return moved;
    }
    return {-EAGAIN};
  }
  std::string read_text() {
    read_.clear();
    const loop::Moved moved = read();
    return moved.bytes() ? read_ : "error " + std::to_string(moved.error());
  }
  void read_nothing() {
    std::array<uint8_t, 16> buffer;
    for (int i = 0; i < 20; ++i) {
      loop_.turn(false);
      EXPECT_TRUE(stream_.read(buffer).would_block());
    }
  }
  void write(std::string_view text) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
    ASSERT_EQ(stream_.write({bytes, text.size()}).count, static_cast<long>(text.size()));
  }
  bool goes_on() {
    client_->say("ping");
    const std::string ping = read_text();
    EXPECT_EQ(ping, "ping");
    write("pong");
    client_->listen();
    EXPECT_THAT(client_->heard(), testing::EndsWith("pong"));
    return ping == "ping" && client_->heard().ends_with("pong");
  }

  // What the client would say, without saying it.
  std::string in_cipher_text(std::string_view text) {
    BIO* const socket = SSL_get_wbio(client_->ssl());
    BIO_up_ref(socket);
    SSL_set0_wbio(client_->ssl(), BIO_new(BIO_s_mem()));
    client_->say(text);
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(SSL_get_wbio(client_->ssl()), &bytes);
    std::string out(bytes, static_cast<size_t>(size));
    SSL_set0_wbio(client_->ssl(), socket);
    return out;
  }
  void put(std::string_view bytes) {
    ASSERT_EQ(::write(client_->fd(), bytes.data(), bytes.size()),
              static_cast<ssize_t>(bytes.size()));
  }

  const Issued server_ = issue({.alternative = "DNS:proxy.example"});
  config::Tls listener_;
  std::shared_ptr<TicketKeys> keys_ = std::make_shared<TicketKeys>();
  OwnedContext context_;
  loop::Loop loop_;
  loop::Stream stream_;
  Session::Outbox outbox_;
  KernelOffer offer_;
  std::vector<uint8_t> early_;
  std::string read_;
  std::optional<Client> client_;
};

TEST_F(KernelTls, GoesOnWhereOpensslStopped) {
  for (const Suite suite : {Suite{TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256"},
                            Suite{TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384"},
                            Suite{TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256"},
                            Suite{TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256"},
                            Suite{TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384"},
                            Suite{TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305"}}) {
    for (const bool tickets : {true, false}) {
      for (const int spoken_before : {0, 3}) {
        SCOPED_TRACE(testing::Message() << suite.cipher << tickets << spoken_before);
        choose(suite);
        listener_.tickets = tickets;
        connect();
        for (int i = 0; i < spoken_before; ++i) ASSERT_TRUE(goes_on());
        EXPECT_TRUE(hand_over().done);
        EXPECT_TRUE(stream_.spliceable());
        EXPECT_TRUE(goes_on() && goes_on());
        EXPECT_TRUE(early_.empty());
      }
    }
  }
}

TEST_F(KernelTls, GoesOnWithASessionThatWasTakenUpAgain) {
  for (const Suite suite : {Suite{TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256"},
                            Suite{TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256"}}) {
    choose(suite);
    SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_CLIENT);
    connect_by_kernel();
    EXPECT_TRUE(goes_on());
    SSL_SESSION* const kept = SSL_get1_session(client_->ssl());
    connect(kept);
    SSL_SESSION_free(kept);
    EXPECT_EQ(SSL_session_reused(client_->ssl()), 1);
    EXPECT_TRUE(hand_over().done);
    EXPECT_TRUE(goes_on());
  }
}

// --- what is there already

TEST_F(KernelTls, LeavesNothingBehindThatOpensslHasRead) {
  connect();
  client_->say("first");
  std::vector<uint8_t> one(1);
  client_->say("second");
  for (int i = 0; i < 1000 && stream_.read(one).would_block(); ++i) loop_.turn(false);
  EXPECT_TRUE(hand_over().done);
  EXPECT_EQ(std::string(one.begin(), one.end()) + std::string(early_.begin(), early_.end()),
            "firstsecond");
  EXPECT_TRUE(goes_on());
}

TEST_F(KernelTls, LeavesToTheKernelWhatOpensslHasNotRead) {
  connect();
  client_->say("unread");
  loop_.turn(false);
  EXPECT_TRUE(hand_over().done);
  EXPECT_TRUE(early_.empty());
  EXPECT_EQ(read_text(), "unread");
  EXPECT_TRUE(goes_on());
}

TEST_F(KernelTls, TakesTheRestOfARecordThatOpensslHasBegun) {
  for (const size_t begun : {1, 4, 5, 6, 20}) {
    connect();
    const std::string record = in_cipher_text("in two pieces");
    put(record.substr(0, begun));
    read_nothing();
    put(record.substr(begun) + in_cipher_text("behind it"));
    for (int i = 0; i < 20; ++i) loop_.turn(false);
    early_.clear();
    EXPECT_TRUE(hand_over().done) << begun;
    EXPECT_EQ(std::string(early_.begin(), early_.end()), "in two pieces");
    EXPECT_EQ(read_text(), "behind it");
  }
}

TEST_F(KernelTls, IsLeftAloneInTheMiddleOfARecord) {
  connect();
  const std::string record = in_cipher_text("in two pieces");
  put(record.substr(0, 5));
  read_nothing();
  EXPECT_FALSE(hand_over().done);
  put(record.substr(5));
  EXPECT_EQ(read_text(), "in two pieces");
  EXPECT_TRUE(goes_on());
}

TEST_F(KernelTls, IsLeftAloneOnceTheClientHasEnded) {
  connect();
  client_->say("all");
  client_->close_notify();
  std::vector<uint8_t> one(1);
  for (int i = 0; i < 1000 && stream_.read(one).would_block(); ++i) loop_.turn(false);
  EXPECT_FALSE(hand_over().done);
  EXPECT_EQ(std::string(early_.begin(), early_.end()), "ll");
  EXPECT_TRUE(stream_.source().ready(loop::kReadable));
  EXPECT_TRUE(read().end());
}

TEST_F(KernelTls, IsLeftAloneAfterNewKeys) {
  connect();
  SSL_key_update(client_->ssl(), SSL_KEY_UPDATE_REQUESTED);
  EXPECT_TRUE(goes_on());
  EXPECT_FALSE(hand_over().done);
  EXPECT_TRUE(goes_on());
}

TEST_F(KernelTls, IsNotAskedWhereItIsSwitchedOff) {
  listener_.kernel = false;
  connect();
  EXPECT_FALSE(hand_over().done);
  EXPECT_EQ(faked::kernel().asked, 0);
  EXPECT_TRUE(goes_on());
}

// --- refusals

TEST_F(KernelTls, IsAskedOnceWhereItHasNone) {
  faked::kernel().refuses_tls = ENOENT;
  connect();
  EXPECT_EQ(hand_over().refused, ENOENT);
  EXPECT_TRUE(goes_on());
  connect();
  const auto again = hand_over();
  EXPECT_TRUE(!again.done && again.refused == 0);
  EXPECT_TRUE(goes_on());
  EXPECT_EQ(faked::kernel().asked, 1);
}

TEST_F(KernelTls, IsAskedAgainWhereOnlyThisClientWasTheReason) {
  faked::kernel().refuses_tls = ENOTCONN;
  connect();
  EXPECT_EQ(hand_over().refused, 0);
  EXPECT_TRUE(goes_on());
  faked::kernel().refuses_tls = 0;
  connect();
  EXPECT_TRUE(hand_over().done);
}

TEST_F(KernelTls, OfAnotherCipherIsNotRefusedWithIt) {
  faked::kernel().refuses_receiving = EINVAL;
  connect();
  EXPECT_EQ(hand_over().refused, EINVAL);
  EXPECT_TRUE(goes_on());
  faked::kernel().refuses_receiving = 0;
  connect();
  EXPECT_FALSE(hand_over().done);
  choose({TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384"});
  connect();
  EXPECT_TRUE(hand_over().done);
}

TEST_F(KernelTls, MayReadWhileOpensslWrites) {
  faked::kernel().refuses_sending = EINVAL;
  connect();
  const auto handed = hand_over();
  EXPECT_FALSE(handed.done);
  EXPECT_EQ(handed.refused, EINVAL);
  EXPECT_FALSE(stream_.spliceable());
  EXPECT_TRUE(goes_on() && goes_on());
  loop::Stream elsewhere(std::move(stream_));
  stream_ = std::move(elsewhere);
  EXPECT_TRUE(goes_on());
  EXPECT_TRUE(stream_.shutdown_write());
  client_->listen();
  EXPECT_TRUE(client_->got_close_notify());
  client_->say("more");
  EXPECT_EQ(read_text(), "more");
}

// --- ends

TEST_F(KernelTls, CarriesEndsBothWays) {
  for (const Suite suite : {Suite{TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256"},
                            Suite{TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256"}}) {
    choose(suite);
    connect_by_kernel();
    EXPECT_TRUE(stream_.shutdown_write());
    client_->listen();
    EXPECT_TRUE(client_->got_close_notify());
    client_->say("more");
    EXPECT_EQ(read_text(), "more");
    client_->close_notify();
    EXPECT_TRUE(read().end());
    EXPECT_TRUE(read().end());
    EXPECT_EQ(stream_.transport()->unsent(), 0);
  }
}

TEST_F(KernelTls, GoesOnSendingAfterTheClientHasEnded) {
  connect_by_kernel();
  client_->say("all");
  client_->close_notify();
  EXPECT_EQ(read_text(), "all");
  EXPECT_TRUE(read().end());
  write("an answer");
  client_->listen();
  EXPECT_EQ(client_->heard(), "an answer");
}

TEST_F(KernelTls, ReadsAnEndAByteAtATime) {
  connect_by_kernel();
  client_->say("all");
  client_->close_notify();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(read(1).count, 1);
  EXPECT_TRUE(read(1).end());
  EXPECT_EQ(read_, "all");
}

TEST_F(KernelTls, TakesAFinWithoutCloseNotifyForACut) {
  connect_by_kernel();
  client_->say("half of it");
  client_->fin();
  EXPECT_EQ(read_text(), "half of it");
  EXPECT_EQ(read().error(), ENODATA);
}

TEST_F(KernelTls, TakesAForgedRecordForACut) {
  connect_by_kernel();
  put(std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x'));
  EXPECT_EQ(read().error(), EBADMSG);
}

TEST_F(KernelTls, HearsAnAlert) {
  connect_by_kernel();
  faked::kernel().sockets[stream_.fd()].rest = {SSL3_AL_FATAL, SSL3_AD_BAD_RECORD_MAC};
  faked::kernel().sockets[stream_.fd()].type_of_rest = SSL3_RT_ALERT;
  stream_.source().suppose(loop::kReadable);
  EXPECT_EQ(read().error(), EPROTO);
}

TEST_F(KernelTls, RefusesAnotherHandshake) {
  choose({TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256"});
  connect_by_kernel();
  SSL_renegotiate(client_->ssl());
  client_->shake();
  EXPECT_EQ(read().error(), EPROTO);
}

// --- records that are held back

TEST_F(KernelTls, KnowsWhatASocketHasNotTaken) {
  for (const Suite suite : {Suite{TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256"},
                            Suite{TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256"},
                            Suite{TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305"}}) {
    choose(suite);
    connect_by_kernel();
    const auto& held_back = [&]() -> auto& {
      return faked::kernel().sockets[stream_.fd()].held_back;
    };
    write(std::string(40'000, 'a'));
    EXPECT_EQ(stream_.transport()->unsent(), 0);
    faked::kernel().holds_back = true;
    write(std::string(40'000, 'b'));
    EXPECT_EQ(stream_.transport()->unsent(), static_cast<long>(held_back().size()));
    EXPECT_GT(stream_.transport()->unsent(), 40'000);

    // The end is said behind them, and no FIN overtakes it.
    EXPECT_TRUE(stream_.shutdown_write());
    EXPECT_EQ(stream_.transport()->unsent(), static_cast<long>(held_back().size()));
    client_->listen();
    EXPECT_FALSE(client_->got_close_notify());
    faked::kernel().holds_back = false;
    pollfd there{client_->fd(), POLLIN, 0};
    do {
      faked::pass_on(stream_.fd());
      client_->listen();
    } while (!client_->got_close_notify() && ::poll(&there, 1, 10'000) == 1);
    EXPECT_EQ(client_->heard().size(), 80'000u);
    EXPECT_TRUE(client_->got_close_notify());
    EXPECT_EQ(stream_.transport()->unsent(), 0);
  }
}

// --- new keys

TEST_F(KernelTls, EndsAClientWithNewKeysWhereItTakesNone) {
  connect_by_kernel();
  SSL_key_update(client_->ssl(), SSL_KEY_UPDATE_NOT_REQUESTED);
  client_->say("under new keys");
  EXPECT_EQ(read().error(), EKEYEXPIRED);
}

TEST_F(KernelTls, FollowsNewKeysWhereItTakesThem) {
  faked::kernel().takes_new_keys = true;
  for (const char* cipher : {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"}) {
    choose({TLS1_3_VERSION, cipher});
    connect_by_kernel();
    for (const int asked :
         {SSL_KEY_UPDATE_NOT_REQUESTED, SSL_KEY_UPDATE_REQUESTED, SSL_KEY_UPDATE_REQUESTED}) {
      EXPECT_TRUE(goes_on());
      SSL_key_update(client_->ssl(), asked);
      EXPECT_TRUE(goes_on());
      EXPECT_EQ(stream_.transport()->unsent(), 0);
    }
  }
}

TEST_F(KernelTls, EndsAClientThatDoesNothingButUpdateItsKeys) {
  faked::kernel().takes_new_keys = true;
  connect_by_kernel();
  for (int i = 0; i < 100; ++i) {
    SSL_key_update(client_->ssl(), SSL_KEY_UPDATE_NOT_REQUESTED);
    client_->say("x");
    const loop::Moved moved = read();
    if (!moved.failed()) continue;
    EXPECT_EQ(moved.error(), EPROTO);
    EXPECT_GE(i, 16);
    return;
  }
  FAIL() << "100 key updates for 100 bytes";
}

}  // namespace
}  // namespace penstock::tls
