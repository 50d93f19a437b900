// What a Session writes down of its handshake and of its records, so that the kernel can go on
// where OpenSSL stops: OpenSSL itself says neither which keys it has nor how many records it has
// seen. Thread: the session's.   Lifetime: longer than the SSL that it was made for is used. Cost:
// 250 bytes per session; per record, a few comparisons.
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "tls/traffic_keys.h"

namespace penstock::tls {

// Goes along the records of a stream that comes in pieces of any size.
class RecordWalk {
 public:
  void feed(std::span<const uint8_t> bytes);
  // How many bytes are known to be missing of the record that has begun; 0: none has.
  size_t to_boundary() const { return at_ == 0 ? 0 : size_ - at_; }
  // The eight bytes behind the header of the last whole record that had as many, as a number.
  uint64_t explicit_nonce() const { return explicit_nonce_; }

 private:
  static constexpr size_t kHeaderBytes = 5;
  static constexpr size_t kNonceBytes = 8;

  std::array<uint8_t, kHeaderBytes + kNonceBytes> front_{};
  size_t at_ = 0;  // in the record
  size_t size_ = kHeaderBytes;
  uint64_t explicit_nonce_ = 0;
};

// Everything that it takes to go on with a session elsewhere.
struct Continuation {
  Keys receive, send;
  // Of TLS 1.3, for what follows a KeyUpdate.
  TrafficSecret receive_secret, send_secret;
  const EVP_MD* digest = nullptr;
  size_t record_overhead = 0;  // bytes of a record that are not its content
};

class KernelNotes {
 public:
  explicit KernelNotes(SSL* ssl);
  KernelNotes(const KernelNotes&) = delete;  // the SSL knows where it is
  KernelNotes& operator=(const KernelNotes&) = delete;

  // The sessions of `context` make notes.
  static void ask_for(SSL_CTX* context);
  static bool asked_for(const SSL* ssl);

  // From the SSL's message callback: the header of a record that was made or read.
  void note_record(bool written, uint8_t type);
  // Cipher text, as it goes by.
  void note_arrived(std::span<const uint8_t> bytes) { arrived_.feed(bytes); }
  void note_departed(std::span<const uint8_t> bytes) { departed_.feed(bytes); }
  // A KeyUpdate was read: what is noted is not what is in use.
  void note_key_update() { outdated_ = true; }
  // Of what arrives.
  size_t to_boundary() const { return arrived_.to_boundary(); }

  // Nothing: the kernel could not go on from here, whatever it says.
  std::optional<Continuation> conclude() const;

 private:
  static void on_secret(const SSL* ssl, const char* text);
  std::optional<Continuation> conclude_tls12(Continuation out) const;

  SSL* ssl_;
  RecordWalk arrived_, departed_;
  TrafficSecret of_client_, of_server_;  // of TLS 1.3
  uint64_t records_read_ = 0;            // with the keys that are in use
  uint64_t records_written_ = 0;
  bool outdated_ = false;
};

}  // namespace penstock::tls
