#include "probe/tls_link.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include "base/check.h"

namespace penstock::probe {
namespace {

// Browsers offer h2 first. What comes behind the handshake is one request, and HTTP/1.1 times that
// as well.
constexpr std::array<unsigned char, 9> kAlpn = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

// The random of a ServerHello that is a HelloRetryRequest (RFC 8446 section 4.1.3) begins so.
constexpr std::array<uint8_t, 8> kRetryRandom = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11};
constexpr size_t kRandomAt = 6;  // behind type, length and version

bool is_retry(std::span<const uint8_t> server_hello) {
  return server_hello.size() >= kRandomAt + kRetryRandom.size() &&
         std::ranges::equal(server_hello.subspan(kRandomAt, kRetryRandom.size()), kRetryRandom);
}

void expect_host(SSL* ssl, const std::string& host) {
  X509_VERIFY_PARAM* const wanted = SSL_get0_param(ssl);
  if (IpAddress::parse(host)) {
    PENSTOCK_CHECK(X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) == 1);
    return;
  }
  X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  PENSTOCK_CHECK(X509_VERIFY_PARAM_set1_host(wanted, host.c_str(), host.size()) == 1);
  SSL_set_tlsext_host_name(ssl, host.c_str());
}

}  // namespace

TlsLink::TlsLink(Link& under, SSL_CTX* context, const std::string& host)
    : under_(under), host_(host), ssl_(SSL_new(context)) {
  PENSTOCK_CHECK(ssl_);
  SSL* const ssl = ssl_.get();
  BIO* const bio = tls::bio_over(*this);
  SSL_set_bio(ssl, bio, bio);
  SSL_set_connect_state(ssl);
  SSL_set_alpn_protos(ssl, kAlpn.data(), kAlpn.size());
  expect_host(ssl, host);
  SSL_set_msg_callback(ssl, notice);
  SSL_set_msg_callback_arg(ssl, this);
}

// OpenSSL tells each handshake message once it is complete: at that moment the link below has just
// heard its last bytes.
void TlsLink::notice(int written, int, int type, const void* bytes, size_t size, SSL*, void* self) {
  if (written != 0 || type != SSL3_RT_HANDSHAKE || size == 0) return;
  TlsLink& link = *static_cast<TlsLink*>(self);
  const std::span<const uint8_t> message(static_cast<const uint8_t*>(bytes), size);
  if (message[0] != SSL3_MT_SERVER_HELLO || link.server_hello_heard_) return;
  if (is_retry(message)) {
    link.retried_ = true;
    return;
  }
  link.server_hello_heard_ = link.heard();
  link.deadline_ = Clock::now() + link.patience_;
}

long TlsLink::carry_in(std::span<uint8_t> into) {
  const auto count = under_.read(into, deadline_);
  if (count) {
    constexpr uint8_t kFirstType = 20, kLastType = 23;  // of a TLS record
    if (!server_hello_heard_ && *count > 0 && into[0] >= kFirstType && into[0] <= kLastType) {
      spoke_tls_ = true;
    }
    return static_cast<long>(*count);
  }
  fault_under_ = count.error();
  return -EIO;
}

long TlsLink::carry_out(std::span<const uint8_t> from) {
  if (const auto sent = under_.write(from, deadline_); !sent) {
    fault_under_ = sent.error();
    return -EIO;
  }
  // The first flight is the ClientHello and nothing else.
  if (!client_hello_sent_) {
    client_hello_sent_ = said();
    deadline_ = Clock::now() + patience_;
  }
  return static_cast<long>(from.size());
}

LinkFault TlsLink::fault(int result) {
  if (fault_under_) return *fault_under_;
  const int kind = SSL_get_error(ssl_.get(), result);
  const unsigned long code = ERR_peek_error();
  const bool ended = kind == SSL_ERROR_SYSCALL || kind == SSL_ERROR_ZERO_RETURN ||
                     ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
  if (ended) return {LinkFault::Kind::kEnded, "closed by the other end"};
  if (!spoke_tls_ && !server_hello_heard_) {
    return {LinkFault::Kind::kTls, "what came back is not TLS"};
  }
  const char* const reason = ERR_reason_error_string(code);
  return {LinkFault::Kind::kTls, reason ? reason : "a TLS error"};
}

Linked<void> TlsLink::handshake(Duration patience) {
  patience_ = patience;
  deadline_ = Clock::now() + patience;
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) return {};
  return std::unexpected(fault(result));
}

TlsFacts TlsLink::facts(const std::string& ca) const {
  SSL* const ssl = ssl_.get();
  const unsigned char* alpn = nullptr;
  unsigned int alpn_size = 0;
  SSL_get0_alpn_selected(ssl, &alpn, &alpn_size);
  const long group = SSL_get_negotiated_group(ssl);
  const char* const group_name = group > 0 ? SSL_group_to_name(ssl, static_cast<int>(group)) : "";
  TlsFacts out{.version = SSL_get_version(ssl),
               .cipher = SSL_get_cipher_name(ssl),
               .group = group_name ? group_name : "",
               .alpn = {},
               .retried = retried_,
               .trust = judge_trust(ssl, host_, ca)};
  // SAFETY: OpenSSL gives unsigned chars, and chars are bytes.
  if (alpn) out.alpn.assign(reinterpret_cast<const char*>(alpn), alpn_size);
  return out;
}

Linked<size_t> TlsLink::read(std::span<uint8_t> into, Instant deadline) {
  deadline_ = deadline;
  ERR_clear_error();
  const auto room = static_cast<int>(std::min<size_t>(into.size(), INT_MAX));
  const int result = SSL_read(ssl_.get(), into.data(), room);
  if (result > 0) return static_cast<size_t>(result);
  if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_ZERO_RETURN) return size_t{0};
  return std::unexpected(fault(result));
}

Linked<void> TlsLink::write(std::span<const uint8_t> from, Instant deadline) {
  deadline_ = deadline;
  ERR_clear_error();
  const auto size = static_cast<int>(std::min<size_t>(from.size(), INT_MAX));
  const int result = SSL_write(ssl_.get(), from.data(), size);
  if (result == size) return {};
  return std::unexpected(fault(result));
}

}  // namespace penstock::probe
