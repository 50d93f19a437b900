#include "tls/client_context.h"

#include <openssl/err.h>

#include <array>
#include <utility>

#include "base/check.h"
#include "tls/context.h"
#include "tls/credentials.h"
#include "tls/trust.h"

namespace penstock::tls {
namespace {

constexpr std::array<unsigned char, 9> kHttp11 = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

std::vector<OwnedCertificate> read_roots(const Located<std::string>& ca, Faults& faults) {
  if (!ca.value.empty()) return read_certificates(ca, "parents.ca", faults);
  return read_system_roots(ca.place, "parents.ca", "name those who sign for your parents", faults);
}

}  // namespace

ClientContext::~ClientContext() = default;

// A copy of it is kept, and another given to each handshake: OpenSSL declares a session void that
// was used once, or whose connection broke off. The first would keep an observer from recognising a
// client that moves about, which a proxy does not; the second has been no rule since TLS 1.1.
int ClientContext::on_ticket(SSL* ssl, SSL_SESSION* session) {
  auto* const ticket = static_cast<Ticket*>(SSL_get_app_data(ssl));
  if (!ticket) return 0;
  OwnedSession copy(SSL_SESSION_dup(session));
  const std::lock_guard lock(ticket->mutex);
  ticket->session = std::move(copy);
  return 0;  // `session` stays OpenSSL's
}

OwnedSsl ClientContext::make_session(const http::Authority& parent) const {
  OwnedSsl out(SSL_new(context_.get()));
  PENSTOCK_CHECK(out);
  expect(out.get(), parent);
  const auto found = tickets_.find(parent.text());
  if (found == tickets_.end()) return out;
  Ticket& ticket = found->second;
  SSL_set_app_data(out.get(), &ticket);
  const std::lock_guard lock(ticket.mutex);
  // A certificate is looked at when a session begins, and not when it is taken up again.
  if (ticket.session && !still_valid(ticket.session.get())) ticket.session.reset();
  if (!ticket.session) return out;
  const OwnedSession copy(SSL_SESSION_dup(ticket.session.get()));
  SSL_set_session(out.get(), copy.get());
  return out;
}

ClientContextPtr ClientContext::open(const config::Parents& settings,
                                     const std::vector<http::Authority>& parents, Faults& faults,
                                     Faults& warnings) {
  const size_t faults_before = faults.size();
  const auto out = std::make_shared<ClientContext>(Made{});
  out->context_ = new_context(TLS_client_method());
  SSL_CTX* const context = out->context_.get();
  if (!parents.empty() || !settings.ca.value.empty()) {
    trust(context, read_roots(settings.ca, faults));
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_alpn_protos(context, kHttp11.data(), kHttp11.size());
  if (settings.certified()) {
    const config::Certificate files{settings.certificate, settings.key, {}};
    const auto ours = read_credentials(files, "parents", faults, warnings, ShownTo::kServers);
    std::string why_not;
    if (ours && !show(context, ours->certificate, ours->chain, ours->key, &why_not)) {
      faults.push_back(
          {settings.certificate.place,
           "parents.certificate: " + settings.certificate.value + " is refused: " + why_not});
    }
  }
  if (faults.size() != faults_before) return nullptr;
  for (const http::Authority& parent : parents) out->tickets_.try_emplace(parent.text());
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
  SSL_CTX_sess_set_new_cb(context, on_ticket);
  return out;
}

std::expected<ClientContextPtr, Faults> open_client_context(const config::Config& config,
                                                            Faults* warnings) {
  config::Parents settings = config.parents;
  std::vector<http::Authority> parents;
  for (const policy::RuleSpec& rule : config.policy.rules) {
    for (const Located<std::string>& url : rule.via) {
      const auto parent = http::parse_parent_url(url.value);
      if (!parent || !parent->secure()) continue;
      if (parents.empty() && settings.ca.value.empty()) settings.ca.place = url.place;
      parents.push_back(parent->authority);
    }
  }
  const config::Parents& written = config.parents;
  const Located<std::string>& first = written.ca.value.empty() ? written.certificate : written.ca;
  if (parents.empty() && first.value.empty()) return nullptr;
  Faults faults;
  Faults suspicions;
  auto out = ClientContext::open(settings, parents, faults, suspicions);
  if (!faults.empty()) return std::unexpected(std::move(faults));
  if (parents.empty()) {
    suspicions.push_back({first.place,
                          "parents: no rule has a parent that is spoken to in TLS, such as via: "
                          "[\"https://proxy.example:3129\"]"});
    out.reset();
  }
  if (warnings) warnings->insert(warnings->end(), suspicions.begin(), suspicions.end());
  return out;
}

}  // namespace penstock::tls
