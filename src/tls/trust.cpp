#include "tls/trust.h"

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <optional>
#include <string>

#include "base/check.h"
#include "tls/credentials.h"

namespace penstock::tls {
namespace {

// Where systems keep the certificates that they trust, in one file: Debian and Alpine, Fedora,
// SUSE, what OpenSSL was built for. They are read here and whole, since what OpenSSL looks up by
// itself it reads while a worker waits.
constexpr std::array kRoots = {"/etc/ssl/certs/ca-certificates.crt",
                               "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
                               "/etc/ssl/cert.pem"};

std::optional<std::string> system_roots() {
  if (const char* const said = ::secure_getenv("SSL_CERT_FILE"); said && *said) return said;
  for (const char* const file : kRoots) {
    if (::access(file, R_OK) == 0) return file;
  }
  return std::nullopt;
}

}  // namespace

std::vector<OwnedCertificate> read_system_roots(Place place, std::string_view key,
                                                std::string_view otherwise, Faults& faults) {
  const std::string where(key);
  if (const auto roots = system_roots()) {
    return read_certificates({*roots, place}, where + " (the system's roots)", faults);
  }
  faults.push_back({place, where +
                               ": this system has no file of roots that is known here; install "
                               "ca-certificates, or " +
                               std::string(otherwise)});
  return {};
}

void expect(SSL* ssl, const http::Authority& server) {
  X509_VERIFY_PARAM* const wanted = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(wanted, kHostFlags);
  if (server.literal) {
    const size_t size = server.literal->v6 ? 16 : 4;
    PENSTOCK_CHECK(X509_VERIFY_PARAM_set1_ip(wanted, server.literal->bytes.data(), size) == 1);
    return;
  }
  PENSTOCK_CHECK(X509_VERIFY_PARAM_set1_host(wanted, server.host.data(), server.host.size()) == 1);
  PENSTOCK_CHECK(SSL_set_tlsext_host_name(ssl, server.host.c_str()) == 1);
}

bool still_valid(const SSL_SESSION* session) {
  const X509* const certificate = SSL_SESSION_get0_peer(const_cast<SSL_SESSION*>(session));
  return certificate && X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
}

}  // namespace penstock::tls
