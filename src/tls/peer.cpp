#include "tls/peer.h"

#include <openssl/x509v3.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "tls/asn1.h"
#include "tls/owned.h"

namespace penstock::tls {
namespace {

constexpr size_t kNamesMax = 64;
constexpr size_t kWordBytesMax = 1024;

std::string subject_of(const X509* certificate) {
  const OwnedBio memory(BIO_new(BIO_s_mem()));
  if (!memory) return {};
  X509_NAME_print_ex(memory.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &text);
  if (size <= 0) return {};
  return {text, std::min(static_cast<size_t>(size), kWordBytesMax)};
}

// The names of one kind.
struct Names {
  std::vector<std::string> whole;
  bool left_out = false;

  void add(std::string_view name, bool room) {
    const auto control = [](char c) { return static_cast<uint8_t>(c) < 0x20 || c == 0x7f; };
    const bool good =
        !name.empty() && name.size() <= kWordBytesMax && std::ranges::none_of(name, control);
    if (good && room) {
      whole.emplace_back(name);
    } else {
      left_out = true;
    }
  }
  std::vector<std::string> take() {
    return left_out ? std::vector<std::string>() : std::move(whole);
  }
};

}  // namespace

identity::Certificate read_client_certificate(const X509* certificate) {
  const std::unique_ptr<GENERAL_NAMES, FreedBy<GENERAL_NAMES_free>> names(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  Names dns, email, uri;
  const int count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    const bool room = std::cmp_less(i, kNamesMax);
    switch (name->type) {
      case GEN_DNS: dns.add(string_of(name->d.dNSName), room); break;
      case GEN_EMAIL: email.add(string_of(name->d.rfc822Name), room); break;
      case GEN_URI: uri.add(string_of(name->d.uniformResourceIdentifier), room); break;
      default: break;
    }
  }
  return {.subject = subject_of(certificate),
          .dns = dns.take(),
          .email = email.take(),
          .uri = uri.take()};
}

Peer read_peer(const SSL* ssl) {
  Peer out;
  out.version = static_cast<uint16_t>(SSL_version(ssl));
  out.version_word = SSL_get_version(ssl);
  out.cipher = SSL_get_cipher_name(ssl);
  const unsigned char* alpn = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl, &alpn, &size);
  // SAFETY: unsigned chars are read as chars.
  if (alpn) out.alpn.assign(reinterpret_cast<const char*>(alpn), size);
  if (const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)) out.sni = name;
  out.resumed = SSL_session_reused(ssl) == 1;
  const X509* const certificate = SSL_get0_peer_certificate(ssl);
  // Without a CA to verify it by nobody was asked for one.
  if (certificate && SSL_get_verify_result(ssl) == X509_V_OK) {
    out.certificate = read_client_certificate(certificate);
  }
  return out;
}

}  // namespace penstock::tls
