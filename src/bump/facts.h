// What a certificate says, for people.
// Pure.   Thread: any.
#pragma once

#include <openssl/x509.h>

#include <ctime>
#include <string>
#include <vector>

namespace penstock::bump {

std::string subject_of(const X509* certificate);  // RFC 4514: "CN=Example Egress CA,O=Example"
std::string issuer_of(const X509* certificate);
bool signs_itself(X509* certificate);                 // issued by its own name, and key
std::string common_name_of(const X509* certificate);  // the last; empty: none
// Of the whole certificate: "AB:CD:…".
std::string fingerprint_of(const X509* certificate, const EVP_MD* hash);
time_t valid_from(const X509* certificate);
time_t valid_until(const X509* certificate);
std::string date_of(time_t at);         // "2026-11-26 14:05 UTC"
std::string key_of(X509* certificate);  // "P-256", "RSA, 2048 bits"

std::string pem_of(const X509* certificate);

// What leaves may be for (RFC 5280, section 4.2.1.10), in words of DNS names and prefixes.
struct Constraints {
  std::vector<std::string> permitted;
  std::vector<std::string> excluded;

  bool empty() const { return permitted.empty() && excluded.empty(); }
};
Constraints constraints_of(const X509* certificate);

}  // namespace penstock::bump
