// Whether a server is who it should be, and if not, what that means to the person who asks: a
// middlebox that terminates TLS, a private authority, a server that is set up wrongly, a clock.
// Thread: any; the store of the system is read when a context is made.
#pragma once

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace penstock::probe {

struct FreeTls {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using TlsContext = std::unique_ptr<SSL_CTX, FreeTls>;

// Trusts the system's store (OpenSSL's default places: SSL_CERT_FILE and SSL_CERT_DIR are heard)
// and, if named, the certificates in the file `ca`. Empty: the file holds none.
std::optional<TlsContext> client_context(const std::string& ca);

struct Certificate {
  std::string subject;  // "CN=example.com, O=Example": of people, not for programs
  std::string issuer;
  std::string expires;      // "2027-01-31"
  std::string fingerprint;  // SHA-256, hexadecimal
  friend bool operator==(const Certificate&, const Certificate&) = default;
};

struct Trust {
  std::vector<Certificate> chain;  // as the server sent it, its own first
  long verdict = X509_V_OK;        // X509_V_ERR_...
  std::string word;                // "X509_V_OK", "X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN"
  std::string meaning;             // one sentence
  std::string advice;              // what to do; empty when all is well
  // The chain is good only because of --ca: no public authority has signed it.
  bool private_authority = false;

  bool good() const { return verdict == X509_V_OK; }
};

// Of a finished handshake with `host`. `ca` as for client_context().
Trust judge_trust(SSL* ssl, const std::string& host, const std::string& ca);

// What an X509_V_ERR_... means and what to do. `chain` may be empty.
void explain_verdict(Trust& trust, const std::string& host);

}  // namespace penstock::probe
