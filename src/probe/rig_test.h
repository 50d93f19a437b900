// What the tests of this layer stand on: a server that does what a test tells it with its one
// connection, on a thread of its own, in the clear and in TLS.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "probe/measure.h"
#include "sys/socket.h"
#include "tls/self_signed.h"

namespace penstock::probe {

using namespace std::chrono_literals;

// The server's end of a connection, blocking.
class Peer {
 public:
  explicit Peer(sys::Fd fd) : fd_(std::move(fd)) { EXPECT_EQ(::fcntl(fd_.get(), F_SETFL, 0), 0); }

  // From here on in TLS, of that version and with a certificate that signs itself.
  bool secure(int version = TLS1_3_VERSION) {
    context_.reset(SSL_CTX_new(TLS_server_method()));
    tls::certify_itself(context_.get(), "rig");
    SSL_CTX_set_min_proto_version(context_.get(), version);
    SSL_CTX_set_max_proto_version(context_.get(), version);
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), fd_.get());
    return SSL_accept(ssl_.get()) == 1;
  }
  void say(std::string_view bytes) {
    const auto size = static_cast<int>(bytes.size());
    if (ssl_) {
      EXPECT_EQ(SSL_write(ssl_.get(), bytes.data(), size), size);
    } else {
      EXPECT_EQ(::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), size);
    }
  }
  // Until a head has ended, or the client has.
  std::string hear_head() {
    std::string head;
    for (char byte = 0; !head.ends_with("\r\n\r\n"); head += byte) {
      const int count =
          ssl_ ? SSL_read(ssl_.get(), &byte, 1) : static_cast<int>(::recv(fd_.get(), &byte, 1, 0));
      if (count != 1) break;
    }
    return head;
  }
  void hear_a_byte() {
    char byte = 0;
    EXPECT_EQ(::recv(fd_.get(), &byte, 1, 0), 1);
  }
  // Reads, without understanding, until the client has gone.
  void wait_for_the_end() {
    char bytes[4096];
    while (::recv(fd_.get(), bytes, sizeof(bytes), 0) > 0) {
    }
  }
  void reset() {
    sys::reset_on_close(fd_.get());
    fd_.reset();
  }

 private:
  sys::Fd fd_;
  TlsContext context_;
  std::unique_ptr<SSL, FreeTls> ssl_;
};

class Server {
 public:
  explicit Server(std::function<void(Peer&)> serve)
      : listener_(sys::open_listener(Endpoint::parse("127.0.0.1:0").value(), {}).value()),
        at_(sys::local_endpoint(listener_.get()).value()) {
    EXPECT_EQ(::fcntl(listener_.get(), F_SETFL, 0), 0);
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to a client that may have gone
    thread_ = std::jthread([this, serve = std::move(serve)] {
      const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;  // shut down
      Peer peer{sys::Fd(fd)};
      serve(peer);
    });
  }
  ~Server() { ::shutdown(listener_.get(), SHUT_RDWR); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  const Endpoint& at() const { return at_; }

 private:
  sys::Fd listener_;
  Endpoint at_;
  std::jthread thread_;
};

inline Options options_for(const Endpoint& origin) {
  Options out;
  out.url = parse_url("https://" + origin.text() + "/path").value();
  out.insecure = true;
  out.patience = 20s;  // far beyond what anything here takes
  return out;
}

inline Measured measure_with(const Options& options) {
  return measure(options, options.proxy, client_context("").value().get());
}

}  // namespace penstock::probe
