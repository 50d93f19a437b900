// OpenSSL's idea of a socket, on top of whatever carries the bytes here: a stream on a loop, a
// blocking socket, another TLS session.
// Thread: the session's.   Lifetime: a Carrier outlives the SSL that its BIO was given to.
#pragma once

#include <openssl/bio.h>

#include <cstdint>
#include <span>

namespace penstock::tls {

class Carrier {
 public:
  // n > 0 bytes; 0, the end of the stream; -EAGAIN, ask again later; or another -errno.
  virtual long carry_in(std::span<uint8_t> into) = 0;
  virtual long carry_out(std::span<const uint8_t> from) = 0;

 protected:
  Carrier() = default;
  Carrier(const Carrier&) = default;
  Carrier& operator=(const Carrier&) = default;
  ~Carrier() = default;
};

// For SSL_set_bio, which takes it.
BIO* bio_over(Carrier& carrier);

}  // namespace penstock::tls
