// What a handshake agreed on, and who the client has proved to be. Values: they outlive the
// session.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"

namespace penstock::tls {

// A client's certificate that a CA of the listener's `client_ca` has signed. Names are as written
// in it, but for those with a control byte (a NUL would end a name early for some readers), which
// are left out, as is what comes behind the first 64 names or 1 KiB of one.
struct ClientCertificate {
  std::string subject;  // RFC 2253, the most specific part first: "CN=runner 7,O=Example"
  std::vector<std::string> dns_names;
  std::vector<std::string> emails;
  std::vector<std::string> uris;
  std::string spiffe_id;  // empty: no X.509-SVID, which has one URI and no more (its section 2)
};

// What `certificate` says of its owner, whoever signed it.
ClientCertificate read_client_certificate(const X509* certificate);

struct Peer {
  uint16_t version = 0;           // TLS1_3_VERSION
  const char* version_word = "";  // "TLSv1.3"; OpenSSL's, for ever
  const char* cipher = "";        // "TLS_AES_128_GCM_SHA256"; as above
  std::string alpn;               // empty: none was agreed on
  std::string sni;                // empty: none was sent
  bool resumed = false;
  Duration took{};  // the handshake
  std::optional<ClientCertificate> certificate;
};

// Of a session whose handshake is complete.
Peer read_peer(const SSL* ssl);

}  // namespace penstock::tls
