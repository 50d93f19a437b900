#include "tls/server_context.h"

#include <openssl/sha.h>

#include <array>
#include <ctime>

#include "base/ascii.h"
#include "tls/context.h"
#include "tls/kernel_notes.h"

namespace penstock::tls {
namespace {

OwnedContext new_server_context(bool tickets) {
  OwnedContext out = new_context(TLS_server_method());
  SSL_CTX* const context = out.get();
  uint64_t options = SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA;
  if (!tickets) options |= SSL_OP_NO_TICKET;
  SSL_CTX_set_options(context, options);
  if (!tickets) SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // the client's ticket is the cache
  return out;
}

}  // namespace

ServerContext::~ServerContext() = default;

SSL_CTX* ServerContext::choose(std::string_view name) const {
  std::string wanted = lower(name);
  if (const auto found = exact_.find(wanted); found != exact_.end()) return found->second;
  const size_t dot = wanted.find('.');  // a wildcard stands for one label (RFC 6125 section 6.4.3)
  if (dot == std::string::npos || dot == 0) return nullptr;
  const auto found = wildcard_.find(wanted.substr(dot + 1));
  return found == wildcard_.end() ? nullptr : found->second;
}

int ServerContext::on_name(SSL* ssl, int*, void* self) {
  const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  SSL_CTX* const chosen = name ? static_cast<const ServerContext*>(self)->choose(name) : nullptr;
  // A client that asked for a name of ours that we do not know will see for itself.
  if (!chosen) return SSL_TLSEXT_ERR_NOACK;
  if (chosen != SSL_get_SSL_CTX(ssl)) SSL_set_SSL_CTX(ssl, chosen);
  return SSL_TLSEXT_ERR_OK;
}

int ServerContext::on_status(SSL* ssl, void* choice) {
  const auto& chosen = *static_cast<const Choice*>(choice);
  if (std::time(nullptr) >= chosen.staple_until) return SSL_TLSEXT_ERR_NOACK;
  void* const copy = OPENSSL_memdup(chosen.staple.data(), chosen.staple.size());
  if (!copy) return SSL_TLSEXT_ERR_NOACK;
  SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(chosen.staple.size()));
  return SSL_TLSEXT_ERR_OK;
}

// RFC 7301 section 3.2: without a protocol in common the handshake fails, since what would follow
// it could be taken for something else (ALPACA).
int ServerContext::on_alpn(SSL*, const unsigned char** out, unsigned char* size,
                           const unsigned char* offered, unsigned int offered_size, void* self) {
  // SAFETY: unsigned chars are read as chars.
  const std::string_view list(reinterpret_cast<const char*>(offered), offered_size);
  for (const std::string& ours : static_cast<const ServerContext*>(self)->alpn_) {
    for (size_t at = 0; at < list.size(); at += 1u + static_cast<uint8_t>(list[at])) {
      const auto length = static_cast<uint8_t>(list[at]);
      if (list.substr(at + 1, length) != ours) continue;
      *out = offered + at + 1;
      *size = length;
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

bool ServerContext::add(Credentials credentials, const config::Tls& listener,
                        std::string* why_not) {
  OwnedContext owned = new_server_context(listener.tickets);
  SSL_CTX* const context = owned.get();
  if (!show(context, credentials.certificate, credentials.chain, credentials.key, why_not)) {
    return false;
  }
  if (listener.tickets) seal_tickets(context, *keys_);
  if (listener.kernel) KernelNotes::ask_for(context);
  SSL_CTX_set_tlsext_servername_callback(context, on_name);
  SSL_CTX_set_tlsext_servername_arg(context, this);
  SSL_CTX_set_alpn_select_cb(context, on_alpn, this);
  Choice& choice = choices_.emplace_back(std::move(owned), std::move(credentials.staple),
                                         credentials.staple_until);
  if (!choice.staple.empty()) {
    SSL_CTX_set_tlsext_status_cb(context, on_status);
    SSL_CTX_set_tlsext_status_arg(context, &choice);
  }
  for (const std::string& name : credentials.names) {
    const bool wild = name.starts_with("*.");
    (wild ? wildcard_ : exact_).try_emplace(wild ? name.substr(2) : name, context);
  }
  return true;
}

// `authority` is the text of the CA file. A ticket counts only where it was given for the same: a
// client that has proved nothing must not come back by it to where that is asked of him, nor one
// whose CA is trusted no longer.
void ServerContext::ask_for_certificates(const config::Tls& listener,
                                         const std::vector<OwnedCertificate>& issuers,
                                         const std::string& authority) {
  using config::ClientCertificates;
  const auto wanted = listener.client_certificates;
  const std::string ground = std::string(1, static_cast<char>(wanted)) + authority;
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  // SAFETY: chars are bytes.
  SHA256(reinterpret_cast<const unsigned char*>(ground.data()), ground.size(), digest.data());
  static_assert(SHA256_DIGEST_LENGTH <= SSL_MAX_SID_CTX_LENGTH);
  for (const Choice& choice : choices_) {
    SSL_CTX* const context = choice.context.get();
    SSL_CTX_set_session_id_context(context, digest.data(), digest.size());
    if (wanted == ClientCertificates::kOff) continue;
    const int more = wanted == ClientCertificates::kRequired ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | more, nullptr);
    trust(context, issuers);
    for (const OwnedCertificate& issuer : issuers) SSL_CTX_add_client_CA(context, issuer.get());
  }
}

std::shared_ptr<const ServerContext> ServerContext::open(const config::Tls& listener,
                                                         const std::string& path,
                                                         std::vector<std::string> alpn,
                                                         std::shared_ptr<TicketKeys> keys,
                                                         Faults& faults, Faults& warnings) {
  const size_t faults_before = faults.size();
  const auto out = std::make_shared<ServerContext>(Made{});
  out->alpn_ = std::move(alpn);
  out->keys_ = std::move(keys);
  out->choices_.reserve(listener.certificates.size());  // callbacks know where theirs is
  for (size_t i = 0; i < listener.certificates.size(); ++i) {
    const config::Certificate& files = listener.certificates[i];
    const std::string where = path + ".certificates[" + std::to_string(i) + "]";
    auto credentials = read_credentials(files, where, faults, warnings);
    std::string why_not;
    if (!credentials || out->add(std::move(*credentials), listener, &why_not)) continue;
    std::string message = where + ".certificate: ";
    message.append(files.certificate.value).append(" is refused: ").append(why_not);
    faults.push_back({files.certificate.place, std::move(message)});
  }
  std::vector<OwnedCertificate> issuers;
  std::string authority;
  if (listener.client_certificates != config::ClientCertificates::kOff) {
    issuers = read_certificates(listener.client_ca, path + ".client_ca", faults, &authority);
  }
  if (faults.size() != faults_before) return nullptr;
  out->ask_for_certificates(listener, issuers, authority);
  return out;
}

namespace {

// What clients may agree on (ALPN), best first. SOCKS has no name there.
std::vector<std::string> behind_handshake(const config::Listener& listener) {
  std::vector<std::string> out;
  if (listener.speaks(config::Protocol::kHttp2)) out.emplace_back("h2");
  if (out.empty() || listener.speaks(config::Protocol::kHttp1)) out.emplace_back("http/1.1");
  return out;
}

}  // namespace

std::expected<std::vector<ServerContextPtr>, Faults> open_server_contexts(
    const config::Config& config, const std::shared_ptr<TicketKeys>& keys, Faults* warnings) {
  std::vector<ServerContextPtr> out;
  Faults faults;
  Faults suspicions;
  for (size_t i = 0; i < config.listeners.size(); ++i) {
    const auto& tls = config.listeners[i].tls;
    const std::string path = "listeners[" + std::to_string(i) + "].tls";
    out.push_back(tls ? ServerContext::open(*tls, path, behind_handshake(config.listeners[i]), keys,
                                            faults, suspicions)
                      : nullptr);
  }
  if (!faults.empty()) return std::unexpected(std::move(faults));
  if (warnings) warnings->insert(warnings->end(), suspicions.begin(), suspicions.end());
  return out;
}

}  // namespace penstock::tls
