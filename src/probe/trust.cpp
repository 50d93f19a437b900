#include "probe/trust.h"

#include <fmt/format.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509_vfy.h>

#include <array>
#include <ctime>
#include <string_view>

#include "base/check.h"

namespace penstock::probe {
namespace {

struct FreeX509 {
  void operator()(X509_STORE* store) const { X509_STORE_free(store); }
  void operator()(X509_STORE_CTX* check) const { X509_STORE_CTX_free(check); }
  void operator()(BIO* bio) const { BIO_free(bio); }
};

std::string text_of(const X509_NAME* name) {
  const std::unique_ptr<BIO, FreeX509> bio(BIO_new(BIO_s_mem()));
  PENSTOCK_CHECK(bio);
  // Control and special characters come out escaped: a certificate is a stranger's text.
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_ONELINE & ~XN_FLAG_SPC_EQ);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &bytes);
  return {bytes, static_cast<size_t>(size)};
}

std::string date_of(const ASN1_TIME* time) {
  tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return "";
  return fmt::format("{:04}-{:02}-{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

std::string fingerprint_of(const X509* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), &size) != 1) return "";
  std::string out;
  for (unsigned int i = 0; i < size; ++i) out += fmt::format("{:02x}", digest[i]);
  return out;
}

Certificate facts_of(const X509* certificate) {
  return {.subject = text_of(X509_get_subject_name(certificate)),
          .issuer = text_of(X509_get_issuer_name(certificate)),
          .expires = date_of(X509_get0_notAfter(certificate)),
          .fingerprint = fingerprint_of(certificate)};
}

// The system's, without --ca. Read once: it takes tens of milliseconds.
X509_STORE* system_store() {
  static const std::unique_ptr<X509_STORE, FreeX509> kStore = [] {
    std::unique_ptr<X509_STORE, FreeX509> store(X509_STORE_new());
    PENSTOCK_CHECK(store);
    X509_STORE_set_default_paths(store.get());
    return store;
  }();
  return kStore.get();
}

// Would the same chain be good without --ca?
bool system_trusts(SSL* ssl) {
  const std::unique_ptr<X509_STORE_CTX, FreeX509> check(X509_STORE_CTX_new());
  PENSTOCK_CHECK(check);
  STACK_OF(X509)* const chain = SSL_get_peer_cert_chain(ssl);
  X509* const own = SSL_get0_peer_certificate(ssl);
  if (!own || X509_STORE_CTX_init(check.get(), system_store(), own, chain) != 1) return false;
  X509_STORE_CTX_set_default(check.get(), "ssl_server");
  return X509_verify_cert(check.get()) == 1;
}

struct Verdict {
  long code;
  std::string_view word;
  std::string_view meaning;  // {issuer} is the last issuer of the chain, {host} whom we asked for
  std::string_view advice;
};

#define PENSTOCK_VERDICT(name, meaning, advice) \
  Verdict {                                     \
    name, #name, meaning, advice                \
  }

constexpr std::string_view kTrustIt =
    "If that is your organisation's authority, give its certificate with --ca FILE or add it to "
    "the system store (update-ca-certificates); if you do not know it, somebody on the way "
    "terminates TLS: ask whoever runs the network, and do not use --insecure.";
constexpr std::string_view kAskServer = "Whoever runs {host} has to mend this.";

constexpr std::array kVerdicts = {
    PENSTOCK_VERDICT(
        X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
        "The chain ends in {issuer}, which signs itself and is not in the system store: that is "
        "what a middlebox that terminates TLS looks like, or a private authority.",
        kTrustIt),
    PENSTOCK_VERDICT(
        X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
        "The server's certificate ({issuer}) signs itself: no authority vouches for it.",
        "A test server or a device does so: give its certificate with --ca FILE once you know that "
        "it is the right one. A public site never does: somebody on the way answers for it."),
    PENSTOCK_VERDICT(
        X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
        "The chain was signed by {issuer}, which is neither sent nor in the system store: a "
        "middlebox that terminates TLS, a private authority, or a server that forgot to send its "
        "intermediate certificate.",
        kTrustIt),
    PENSTOCK_VERDICT(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
                     "The certificate of {issuer}, higher up in the chain, is missing.", kTrustIt),
    PENSTOCK_VERDICT(
        X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
        "The server sent only its own certificate, signed by {issuer}, which is not in the system "
        "store: the intermediate certificate is missing, or a middlebox terminates TLS.",
        kTrustIt),
    PENSTOCK_VERDICT(X509_V_ERR_CERT_UNTRUSTED,
                     "The root {issuer} is in the system store, but not trusted for servers.",
                     kTrustIt),
    PENSTOCK_VERDICT(X509_V_ERR_CERT_HAS_EXPIRED, "A certificate of the chain has expired.",
                     "Look at this machine's clock first; if it is right, whoever runs {host} has "
                     "to renew the certificate."),
    PENSTOCK_VERDICT(X509_V_ERR_CERT_NOT_YET_VALID, "A certificate of the chain is not valid yet.",
                     "Look at this machine's clock first; if it is right, the server's was not."),
    PENSTOCK_VERDICT(
        X509_V_ERR_HOSTNAME_MISMATCH, "The certificate is valid, but not for {host}.",
        "Ask for a name that the certificate has; if the name is right, another server answers: a "
        "captive portal, a default site, or a wrong address in DNS."),
    PENSTOCK_VERDICT(X509_V_ERR_IP_ADDRESS_MISMATCH,
                     "The certificate is valid, but not for the address {host}.",
                     "Ask for the server by the name that its certificate has."),
    PENSTOCK_VERDICT(X509_V_ERR_CERT_REVOKED, "A certificate of the chain was revoked.",
                     kAskServer),
    PENSTOCK_VERDICT(X509_V_ERR_CERT_SIGNATURE_FAILURE,
                     "A signature of the chain is wrong: the certificate was altered, or another "
                     "authority of the same name signed it.",
                     kTrustIt),
    PENSTOCK_VERDICT(X509_V_ERR_INVALID_CA,
                     "A certificate of the chain signs others and may not: it is no authority's.",
                     kAskServer),
    PENSTOCK_VERDICT(X509_V_ERR_INVALID_PURPOSE,
                     "A certificate of the chain was not made for TLS servers.", kAskServer),
    PENSTOCK_VERDICT(X509_V_ERR_EE_KEY_TOO_SMALL,
                     "The server's key is too short to protect anything.", kAskServer),
    PENSTOCK_VERDICT(X509_V_ERR_CA_KEY_TOO_SMALL,
                     "The key of an authority in the chain is too short to protect anything.",
                     kAskServer),
    PENSTOCK_VERDICT(X509_V_ERR_CA_MD_TOO_WEAK,
                     "A signature in the chain uses a hash that can be forged.", kAskServer),
};

#undef PENSTOCK_VERDICT

}  // namespace

std::optional<TlsContext> client_context(const std::string& ca) {
  TlsContext context(SSL_CTX_new(TLS_client_method()));
  PENSTOCK_CHECK(context);
  SSL_CTX_set_default_verify_paths(context.get());
  if (!ca.empty() && SSL_CTX_load_verify_file(context.get(), ca.c_str()) != 1) return std::nullopt;
  // The verdict is read behind the handshake: a timeline that ends at a bad certificate would
  // hide the chain that explains it.
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  return context;
}

void explain_verdict(Trust& trust, const std::string& host) {
  const std::string issuer =
      trust.chain.empty() ? "an unknown authority" : "\"" + trust.chain.back().issuer + "\"";
  const auto filled = [&](std::string_view text) {
    return fmt::format(fmt::runtime(text), fmt::arg("issuer", issuer), fmt::arg("host", host));
  };
  if (trust.good()) {
    trust.word = "X509_V_OK";
    trust.meaning = trust.private_authority
                        ? filled(
                              "The chain leads to {issuer}, which --ca vouches for and the "
                              "system store does not know: a private authority, or a middlebox "
                              "that terminates TLS.")
                        : "The chain leads to an authority of the system store.";
    return;
  }
  for (const Verdict& known : kVerdicts) {
    if (known.code != trust.verdict) continue;
    trust.word = known.word;
    trust.meaning = filled(known.meaning);
    trust.advice = filled(known.advice);
    return;
  }
  trust.word = fmt::format("X509_V_ERR {}", trust.verdict);
  trust.meaning = fmt::format("The chain cannot be verified: {}.",
                              X509_verify_cert_error_string(trust.verdict));
  trust.advice = filled(kAskServer);
}

Trust judge_trust(SSL* ssl, const std::string& host, const std::string& ca) {
  Trust out;
  const STACK_OF(X509)* const chain = SSL_get_peer_cert_chain(ssl);
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    out.chain.push_back(facts_of(sk_X509_value(chain, i)));
  }
  out.verdict = SSL_get_verify_result(ssl);
  out.private_authority = out.good() && !ca.empty() && !system_trusts(ssl);
  explain_verdict(out, host);
  return out;
}

}  // namespace penstock::probe
