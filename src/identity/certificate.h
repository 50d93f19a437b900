// What a client's certificate, which the TLS listener has verified, says of its holder; and which
// part of that is his identity.
// Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::identity {

// Of a certificate whose chain has been verified. Whoever fills it in leaves out what holds a NUL:
// "good.example\0.evil.example" is one name to the issuer and another to C.
struct Certificate {
  std::string subject;  // RFC 2253, the most specific part first: "CN=runner 7,O=Example"
  std::vector<std::string> dns;
  std::vector<std::string> email;
  std::vector<std::string> uri;
};

enum class CertificateField : uint8_t { kSubject, kDns, kEmail, kUri, kSpiffe };

// The identity in `field`: the only value that there is of its kind. Empty: there is none, there
// are several, of which any might be meant, or it is no name; and for kSpiffe, it is no SPIFFE ID.
std::optional<std::string> identity_in(const Certificate& certificate, CertificateField field);

// "spiffe://trust-domain/path" (SPIFFE ID specification, section 2): no port, user, query or
// fragment, and no empty, "." or ".." segment.
bool is_spiffe_id(std::string_view uri);

}  // namespace penstock::identity
