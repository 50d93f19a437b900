#include "bump/origins.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "bump/noted.h"
#include "bump/revocation.h"
#include "tls/context.h"
#include "tls/credentials.h"
#include "tls/trust.h"

namespace penstock::bump {
namespace {

using OcspResponse = std::unique_ptr<OCSP_RESPONSE, tls::FreedBy<OCSP_RESPONSE_free>>;
using OcspAnswer = std::unique_ptr<OCSP_BASICRESP, tls::FreedBy<OCSP_BASICRESP_free>>;
using OcspId = std::unique_ptr<OCSP_CERTID, tls::FreedBy<OCSP_CERTID_free>>;

// A clock that is a little off must not make a good response a bad one.
constexpr long kClockSkewSeconds = 300;

int owner_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

// Whether a trusted signature says that the certificate has been revoked. A response that says
// nothing of it, or cannot be read, is as none: who could withhold it could as well leave it out.
bool is_revoked(SSL* ssl, const unsigned char* bytes, long size) {
  const OcspResponse response(d2i_OCSP_RESPONSE(nullptr, &bytes, size));
  if (!response || OCSP_response_status(response.get()) != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
    return false;
  }
  const OcspAnswer answer(OCSP_response_get1_basic(response.get()));
  STACK_OF(X509)* const chain = SSL_get0_verified_chain(ssl);
  if (!answer || !chain || sk_X509_num(chain) < 2) return false;
  X509_STORE* const roots = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl));
  if (OCSP_basic_verify(answer.get(), chain, roots, 0) != 1) return false;
  const OcspId id(OCSP_cert_to_id(nullptr, sk_X509_value(chain, 0), sk_X509_value(chain, 1)));
  int status = 0;
  ASN1_GENERALIZEDTIME* from = nullptr;
  ASN1_GENERALIZEDTIME* until = nullptr;
  const bool found =
      OCSP_resp_find_status(answer.get(), id.get(), &status, nullptr, nullptr, &from, &until) == 1;
  return found && status == V_OCSP_CERTSTATUS_REVOKED &&
         OCSP_check_validity(from, until, kClockSkewSeconds, -1) == 1;
}

policy::KeyDigest digest_of_key(const X509* certificate) {
  policy::KeyDigest out{};
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (size > 0)
    EVP_Digest(der, static_cast<size_t>(size), out.data(), nullptr, EVP_sha256(), nullptr);
  OPENSSL_free(der);
  return out;
}

// Whether one of the certificates that were found good, from the origin's own to the root, has one
// of these keys.
bool has_one_of(const std::vector<policy::KeyDigest>& keys, SSL* ssl) {
  const STACK_OF(X509)* const chain = SSL_get0_verified_chain(ssl);
  for (int i = 0; chain && i < sk_X509_num(chain); ++i) {
    if (std::ranges::find(keys, digest_of_key(sk_X509_value(chain, i))) != keys.end()) return true;
  }
  return false;
}

// Nobody is an origin by a certificate of ours: where the owner's root is among the system's, as it
// should be on clients, a leaf that was made for somebody else would be good here.
void drop_our_own(std::vector<tls::OwnedCertificate>& trusted, const Located<std::string>& ca) {
  Faults unreadable;  // the mint says so
  const auto ours = tls::read_certificates(ca, "inspection.ca", unreadable);
  std::erase_if(trusted, [&ours](const tls::OwnedCertificate& root) {
    return std::ranges::any_of(ours, [&root](const tls::OwnedCertificate& own) {
      return EVP_PKEY_eq(X509_get0_pubkey(own.get()), X509_get0_pubkey(root.get())) == 1;
    });
  });
}

// As it is written in a ClientHello.
std::string alpn_list(Protocols offered) {
  std::string out;
  for (const std::string_view protocol : offered) {
    if (protocol.empty() || protocol.size() > UINT8_MAX) continue;
    out += static_cast<char>(protocol.size());
    out += protocol;
  }
  return out;
}

}  // namespace

Origins::~Origins() = default;

tls::OwnedSession Origins::last_session(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const tls::OwnedSession* const found = sessions_.find(key);
  if (!found) return nullptr;
  if (tls::still_valid(found->get())) return tls::OwnedSession(SSL_SESSION_dup(found->get()));
  sessions_.forget(key);
  return nullptr;
}

// A copy is kept, and another given to each handshake, as in tls/client_context.cpp. One whose
// certificate was at fault is none to build on.
int Origins::on_ticket(SSL* ssl, SSL_SESSION* session) {
  const std::string& key = noted(ssl).text;
  const auto* const owner =
      static_cast<const Origins*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), owner_index()));
  if (owner && !key.empty() && SSL_get_verify_result(ssl) == X509_V_OK) {
    tls::OwnedSession copy(SSL_SESSION_dup(session));
    const std::lock_guard lock(owner->mutex_);
    owner->sessions_.put(key, std::move(copy));
  }
  return 0;  // `session` stays OpenSSL's
}

// Called behind the verification of the chain, whose result it may make worse.
int Origins::on_status(SSL* ssl, void*) {
  const unsigned char* response = nullptr;
  const long size = SSL_get_tlsext_status_ocsp_resp(ssl, &response);
  if (size > 0 && response && is_revoked(ssl, response, size)) {
    SSL_set_verify_result(ssl, X509_V_ERR_CERT_REVOKED);
  }
  const auto& rule = noted(ssl).rule;
  if (rule && !rule->origin_keys.empty() && SSL_session_reused(ssl) == 0 &&
      SSL_get_verify_result(ssl) == X509_V_OK && !has_one_of(rule->origin_keys, ssl)) {
    SSL_set_verify_result(ssl, X509_V_ERR_APPLICATION_VERIFICATION);
  }
  ERR_clear_error();
  return 1;
}

// `files`: ours for those who ask; null: none.
bool Origins::add(const std::string& name, const config::Certificate* files, X509_STORE* roots,
                  Faults& faults, Faults& warnings) {
  tls::OwnedContext owned = tls::new_context(TLS_client_method());
  SSL_CTX* const context = owned.get();
  SSL_CTX_set1_cert_store(context, roots);
  SSL_CTX_set_verify_depth(context, tls::kChainLengthMax);
  // What is wrong is known behind the handshake, from SSL_get_verify_result().
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_tlsext_status_type(context, TLSEXT_STATUSTYPE_ocsp);
  SSL_CTX_set_tlsext_status_cb(context, on_status);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
  SSL_CTX_sess_set_new_cb(context, on_ticket);
  PENSTOCK_CHECK(SSL_CTX_set_ex_data(context, owner_index(), this) == 1);
  if (log_) log_->follow(context);
  if (files) {
    const auto ours =
        tls::read_credentials(*files, "inspect", faults, warnings, tls::ShownTo::kServers);
    std::string why_not;
    if (!ours) return false;
    if (!tls::show(context, ours->certificate, ours->chain, ours->key, &why_not)) {
      faults.push_back(
          {files->certificate.place,
           "inspect.certificate: " + files->certificate.value + " is refused: " + why_not});
      return false;
    }
  }
  contexts_.try_emplace(name, std::move(owned));
  return true;
}

OriginsPtr Origins::open(const config::Inspection& settings,
                         const std::vector<config::Certificate>& certificates,
                         std::shared_ptr<const KeyLog> log, Faults& faults, Faults& warnings) {
  const size_t faults_before = faults.size();
  std::vector<tls::OwnedCertificate> trusted = tls::read_system_roots(
      settings.ca.place, "inspection.origin_ca", "name those who sign for your origins", faults);
  // Who names his own roots may do without the system's.
  if (!settings.origin_ca.value.empty()) {
    if (trusted.empty()) faults.resize(faults_before);
    auto more = tls::read_certificates(settings.origin_ca, "inspection.origin_ca", faults);
    for (auto& root : more) trusted.push_back(std::move(root));
  }
  drop_our_own(trusted, settings.ca);
  const tls::OwnedStore roots(X509_STORE_new());
  PENSTOCK_CHECK(roots);
  for (const auto& root : trusted) X509_STORE_add_cert(roots.get(), root.get());
  X509_STORE_set_flags(roots.get(), X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
  if (!settings.origin_crl.value.empty()) {
    add_revocation_lists(settings.origin_crl, roots.get(), faults);
  }
  ERR_clear_error();
  const auto out = std::make_shared<Origins>(Made{});
  out->log_ = std::move(log);
  out->add("", nullptr, roots.get(), faults, warnings);
  for (const config::Certificate& files : certificates) {
    out->add(files.certificate.value, &files, roots.get(), faults, warnings);
  }
  if (faults.size() != faults_before) return nullptr;
  return out;
}

tls::OwnedSsl Origins::make_session(const http::Authority& origin, Protocols offered,
                                    std::shared_ptr<const policy::Inspection> rule) const {
  const auto context = contexts_.find(rule->certificate.value);
  PENSTOCK_CHECK(context != contexts_.end());  // of each rule that has one
  tls::OwnedSsl out(SSL_new(context->second.get()));
  PENSTOCK_CHECK(out);
  tls::expect(out.get(), origin);
  const std::string list = alpn_list(offered);
  if (!list.empty()) {
    // SAFETY: chars are bytes.
    SSL_set_alpn_protos(out.get(), reinterpret_cast<const unsigned char*>(list.data()),
                        static_cast<unsigned>(list.size()));
  }
  std::string key = origin.text();
  key.append(1, '\0').append(list).append(1, '\0').append(rule->certificate.value);
  // A session rests on what was looked at when it began.
  for (const policy::KeyDigest& wanted : rule->origin_keys) key.append(text_of(wanted));
  if (const tls::OwnedSession last = last_session(key)) SSL_set_session(out.get(), last.get());
  note(out.get(), {std::move(key), std::move(rule)});
  return out;
}

Shown Origins::shown(SSL* ssl) {
  return {tls::OwnedCertificate(SSL_get1_peer_certificate(ssl)), SSL_get_verify_result(ssl)};
}

}  // namespace penstock::bump
