#include "identity/certificate.h"

#include <algorithm>

#include "base/ascii.h"
#include "identity/identity.h"

namespace penstock::identity {
namespace {

// Section 2.1 and 2.2 of the SPIFFE ID specification.
constexpr size_t kSpiffeBytesMax = 2048;

bool is_trust_domain(std::string_view text) {
  return !text.empty() && text.size() <= 255 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '.' || c == '-' || c == '_';
  });
}

bool is_segment(std::string_view text) {
  return !text.empty() && text != "." && text != ".." && std::ranges::all_of(text, [](char c) {
    return is_alpha(c) || is_digit(c) || c == '.' || c == '-' || c == '_';
  });
}

std::optional<std::string> only(const std::vector<std::string>& values) {
  if (values.size() != 1 || !is_name(values.front())) return std::nullopt;
  return values.front();
}

}  // namespace

bool is_spiffe_id(std::string_view uri) {
  constexpr std::string_view kScheme = "spiffe://";
  if (uri.size() > kSpiffeBytesMax || !uri.starts_with(kScheme)) return false;
  uri.remove_prefix(kScheme.size());
  const size_t slash = std::min(uri.find('/'), uri.size());
  if (!is_trust_domain(uri.substr(0, slash))) return false;
  std::string_view path = uri.substr(slash);
  while (!path.empty()) {
    path.remove_prefix(1);
    const size_t end = std::min(path.find('/'), path.size());
    if (!is_segment(path.substr(0, end))) return false;
    path.remove_prefix(end);
  }
  return true;
}

std::optional<std::string> identity_in(const Certificate& certificate, CertificateField field) {
  switch (field) {
    case CertificateField::kSubject:
      if (!is_name(certificate.subject)) return std::nullopt;
      return certificate.subject;
    case CertificateField::kDns: return only(certificate.dns);
    case CertificateField::kEmail: return only(certificate.email);
    case CertificateField::kUri: return only(certificate.uri);
    case CertificateField::kSpiffe: {
      // An SVID has exactly one URI (X509-SVID specification, section 2).
      auto uri = only(certificate.uri);
      if (uri && !is_spiffe_id(*uri)) return std::nullopt;
      return uri;
    }
  }
  return std::nullopt;
}

}  // namespace penstock::identity
