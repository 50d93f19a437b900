#include "tls/kernel_notes.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <string_view>

#include "base/check.h"

namespace penstock::tls {
namespace {

constexpr size_t kTagBytes = 16;

int place_in_ssl() {
  static const int kPlace = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  PENSTOCK_CHECK(kPlace >= 0);
  return kPlace;
}

uint8_t digit(char c) {
  return static_cast<uint8_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

// A line of OpenSSL's is "LABEL client_random secret", the latter two in hexadecimal digits.
void read_secret(std::string_view line, TrafficSecret& out) {
  const std::string_view digits = line.substr(line.rfind(' ') + 1);
  if (digits.size() % 2 != 0 || digits.size() / 2 > out.bytes.size()) return;
  out.size = static_cast<uint8_t>(digits.size() / 2);
  for (size_t i = 0; i < out.size; ++i) {
    out.bytes[i] = static_cast<uint8_t>(digit(digits[2 * i]) << 4 | digit(digits[2 * i + 1]));
  }
}

}  // namespace

void RecordWalk::feed(std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    size_t step = std::min(bytes.size(), size_ - at_);
    if (at_ < front_.size()) {
      step = std::min(step, front_.size() - at_);
      std::copy_n(bytes.begin(), step, front_.begin() + static_cast<ptrdiff_t>(at_));
    }
    at_ += step;
    bytes = bytes.subspan(step);
    if (at_ == kHeaderBytes && size_ == kHeaderBytes) {
      size_ += static_cast<size_t>(front_[3]) << 8 | front_[4];
    }
    if (at_ < size_) continue;
    if (size_ >= front_.size()) {
      explicit_nonce_ = 0;
      for (size_t i = kHeaderBytes; i < front_.size(); ++i) {
        explicit_nonce_ = explicit_nonce_ << 8 | front_[i];
      }
    }
    at_ = 0;
    size_ = kHeaderBytes;
  }
}

KernelNotes::KernelNotes(SSL* ssl) : ssl_(ssl) {
  PENSTOCK_CHECK(SSL_set_ex_data(ssl, place_in_ssl(), this) == 1);
}

void KernelNotes::ask_for(SSL_CTX* context) {
  SSL_CTX_set_keylog_callback(context, on_secret);
}

bool KernelNotes::asked_for(const SSL* ssl) {
  return SSL_CTX_get_keylog_callback(SSL_get_SSL_CTX(ssl)) == on_secret;
}

// OpenSSL says so as it changes to the keys of this secret, and the count of records starts anew.
void KernelNotes::on_secret(const SSL* ssl, const char* text) {
  auto* const self = static_cast<KernelNotes*>(SSL_get_ex_data(ssl, place_in_ssl()));
  if (!self) return;
  const std::string_view line(text);
  const bool of_client = line.starts_with("CLIENT_TRAFFIC_SECRET_0 ");
  if (!of_client && !line.starts_with("SERVER_TRAFFIC_SECRET_0 ")) return;
  read_secret(line, of_client ? self->of_client_ : self->of_server_);
  const bool ours = of_client == (SSL_is_server(ssl) == 0);
  (ours ? self->records_written_ : self->records_read_) = 0;
}

// TLS 1.2 counts from its ChangeCipherSpec on; that of TLS 1.3 says nothing, and comes before the
// secrets.
void KernelNotes::note_record(bool written, uint8_t type) {
  uint64_t& count = written ? records_written_ : records_read_;
  count = type == SSL3_RT_CHANGE_CIPHER_SPEC ? 0 : count + 1;
}

std::optional<Continuation> KernelNotes::conclude() const {
  const SSL_CIPHER* const cipher = SSL_get_current_cipher(ssl_);
  const auto known = kernel_cipher(cipher);
  if (!known || outdated_ || to_boundary() != 0 || departed_.to_boundary() != 0) {
    return std::nullopt;
  }
  Continuation out;
  out.digest = SSL_CIPHER_get_handshake_digest(cipher);
  out.receive.cipher = out.send.cipher = *known;
  out.receive.sequence = records_read_;
  out.send.sequence = records_written_;
  if (SSL_version(ssl_) != TLS1_3_VERSION) return conclude_tls12(std::move(out));
  if (of_client_.size == 0 || of_server_.size == 0) return std::nullopt;
  const bool server = SSL_is_server(ssl_) != 0;
  out.receive_secret = server ? of_client_ : of_server_;
  out.send_secret = server ? of_server_ : of_client_;
  derive(out.digest, out.receive_secret, out.receive);
  derive(out.digest, out.send_secret, out.send);
  out.record_overhead = SSL3_RT_HEADER_LENGTH + 1 + kTagBytes;
  return out;
}

std::optional<Continuation> KernelNotes::conclude_tls12(Continuation out) const {
  if (SSL_version(ssl_) != TLS1_2_VERSION) return std::nullopt;
  std::array<uint8_t, SSL3_MASTER_SECRET_SIZE> master;
  const size_t size =
      SSL_SESSION_get_master_key(SSL_get_session(ssl_), master.data(), master.size());
  std::array<uint8_t, SSL3_RANDOM_SIZE> of_client, of_server;
  SSL_get_client_random(ssl_, of_client.data(), of_client.size());
  SSL_get_server_random(ssl_, of_server.data(), of_server.size());
  out.record_overhead = SSL3_RT_HEADER_LENGTH + kTagBytes;
  if (out.send.cipher != sys::kernel_tls::Cipher::kChaCha20Poly1305) {
    // OpenSSL begins anywhere and counts; the same nonce again would give the key away.
    const uint64_t nonce = departed_.explicit_nonce() + 1;
    for (size_t i = 0; i < 8; ++i)
      out.send.nonce[4 + i] = static_cast<uint8_t>(nonce >> (56 - 8 * i));
    out.record_overhead += sizeof(nonce);
  }
  const bool server = SSL_is_server(ssl_) != 0;
  derive(out.digest, std::span(master).first(size), of_client, of_server,
         server ? out.receive : out.send, server ? out.send : out.receive);
  OPENSSL_cleanse(master.data(), master.size());
  return out;
}

}  // namespace penstock::tls
