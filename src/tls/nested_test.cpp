// TLS in TLS: what a client that came by an HTTPS proxy has inside an inspected tunnel.
#include <gtest/gtest.h>

#include <unistd.h>

#include <random>

#include "sys/socket.h"
#include "tls/rig_test.h"

namespace penstock::tls {
namespace {

class TlsInTls : public Files {
 protected:
  TlsInTls() {
    listener_.certificates = {issue({.alternative = "DNS:proxy.example"}).files()};
    Faults faults;
    Faults warnings;
    server_ = ServerContext::open(listener_, "tls", {"http/1.1"}, std::make_shared<TicketKeys>(),
                                  faults, warnings);
    config::Parents trusted;
    trusted.ca = {authority_.file(), {}};
    client_ = ClientContext::open(trusted, {whom_}, faults, warnings);
    const auto at = sys::open_listener(*Endpoint::parse("127.0.0.1:0"), {}).value();
    near_ =
        loop::Stream(loop_, sys::start_connect(sys::local_endpoint(at.get()).value(), {}).value());
    far_ = loop::Stream(loop_, std::move(sys::accept_connection(at.get()).value().fd));
  }

  // One more session at either end, on what is there.
  void shake_hands() {
    auto near = std::make_unique<Session>(client_, client_->make_session(whom_),
                                          Session::Side::kClient, near_, outbox_);
    auto far = std::make_unique<Session>(server_, server_->make_session(), Session::Side::kServer,
                                         far_, outbox_);
    Session& client = *near;
    Session& server = *far;
    near_.put_on(std::move(near));
    far_.put_on(std::move(far));
    bool done[2] = {false, false};
    for (int i = 0; i < 1000 && !(done[0] && done[1]); ++i) {
      loop_.turn(false);
      for (Session* const side : {&client, &server}) {
        bool& over = done[side == &client ? 0 : 1];
        if (over) continue;
        const auto progress = side->handshake();
        ASSERT_FALSE(progress.failed) << progress.failed->facts().word;
        over = progress.done;
      }
    }
    ASSERT_TRUE(done[0] && done[1]);
  }

  // Until all of `bytes` has arrived, or nothing moves any more.
  std::vector<uint8_t> carry(loop::Stream& from, loop::Stream& to, std::span<const uint8_t> bytes) {
    std::vector<uint8_t> out;
    std::vector<uint8_t> buffer(50'000);
    // TCP may take its time where a full window has opened again.
    for (int idle = 0; idle < 100'000 && out.size() < bytes.size(); ++idle) {
      loop_.turn(false);
      if (idle > 100) ::usleep(100);
      if (sent_ < bytes.size()) {
        const loop::Moved moved = from.write(bytes.subspan(sent_));
        EXPECT_FALSE(moved.failed());
        if (moved.bytes()) sent_ += static_cast<size_t>(moved.count);
      }
      const loop::Moved moved = to.read(buffer);
      EXPECT_FALSE(moved.failed());
      if (!moved.bytes()) continue;
      out.insert(out.end(), buffer.begin(), buffer.begin() + moved.count);
      idle = 0;
    }
    sent_ = 0;
    return out;
  }

  const http::Authority whom_ = http::parse_authority("proxy.example:443").value();
  config::Tls listener_;
  ServerContextPtr server_;
  ClientContextPtr client_;
  loop::Loop loop_;
  Session::Outbox outbox_;  // which all of them gather in
  loop::Stream near_;
  loop::Stream far_;
  size_t sent_ = 0;
};

TEST_F(TlsInTls, CarriesAMebibyteEitherWay) {
  shake_hands();
  loop::Transport* const outer = near_.transport();
  shake_hands();
  EXPECT_EQ(near_.transport()->below(), outer);
  std::vector<uint8_t> bytes(size_t{1} << 20);
  std::mt19937 random(7);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  EXPECT_TRUE(carry(near_, far_, bytes) == bytes);
  EXPECT_TRUE(carry(far_, near_, bytes) == bytes);
}

TEST_F(TlsInTls, FollowsItsStreamAndSaysItsEndToEitherSession) {
  shake_hands();
  shake_hands();
  loop::Stream moved(std::move(far_));
  far_ = std::move(moved);
  const std::vector<uint8_t> word = {'p', 'i', 'n', 'g'};
  EXPECT_EQ(carry(near_, far_, word), word);
  EXPECT_TRUE(near_.shutdown_write());
  uint8_t byte = 0;
  loop::Moved end{-EAGAIN};
  for (int i = 0; i < 1000 && end.would_block(); ++i) {
    loop_.turn(false);
    end = far_.read({&byte, 1});
  }
  EXPECT_TRUE(end.end());
  EXPECT_EQ(carry(far_, near_, word), word) << "the other half goes on";
}

}  // namespace
}  // namespace penstock::tls
