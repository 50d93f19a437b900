// What a handshake agreed on, and who the client has proved to be. Values: they outlive the
// session.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/time.h"
#include "identity/certificate.h"

namespace penstock::tls {

// What `certificate` says of its owner, whoever signed it. Names with a control byte (a NUL would
// end a name early for some readers) are left out, as is what comes behind the first 64 names or 1
// KiB of one. Of a kind of which something was left out there is none: two names must not look like
// one.
identity::Certificate read_client_certificate(const X509* certificate);

struct Peer {
  uint16_t version = 0;           // TLS1_3_VERSION
  const char* version_word = "";  // "TLSv1.3"; OpenSSL's, for ever
  const char* cipher = "";        // "TLS_AES_128_GCM_SHA256"; as above
  std::string alpn;               // empty: none was agreed on
  std::string sni;                // empty: none was sent
  bool resumed = false;
  bool kernel = false;                               // makes and reads the tunnel's records
  Duration took{};                                   // the handshake
  std::optional<identity::Certificate> certificate;  // signed by a CA of `client_ca`
};

// Of a session whose handshake is complete.
Peer read_peer(const SSL* ssl);

}  // namespace penstock::tls
