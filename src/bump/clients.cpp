#include "bump/clients.h"

#include <string_view>
#include <utility>

#include "base/check.h"
#include "bump/noted.h"
#include "tls/context.h"

namespace penstock::bump {
namespace {

constexpr std::string_view kHttp1 = "http/1.1";
constexpr std::string_view kHttp2 = "h2";

// Where `wanted` stands in a list of ALPN, of which OpenSSL has seen that it is one; null: nowhere.
const unsigned char* find(std::string_view list, std::string_view wanted) {
  for (size_t at = 0; at < list.size(); at += 1u + static_cast<uint8_t>(list[at])) {
    if (list.substr(at + 1, static_cast<uint8_t>(list[at])) != wanted) continue;
    // SAFETY: chars are read as unsigned ones.
    return reinterpret_cast<const unsigned char*>(list.data() + at + 1);
  }
  return nullptr;
}

}  // namespace

// The origin's answer is the client's, if it offers that; it has offered it to the origin. RFC 7301
// section 3.2: nothing in common ends the handshake.
int Clients::on_alpn(SSL* ssl, const unsigned char** out, unsigned char* size,
                     const unsigned char* offered, unsigned int offered_size, void*) {
  // SAFETY: unsigned chars are read as chars.
  const std::string_view list(reinterpret_cast<const char*>(offered), offered_size);
  const std::string& agreed = noted(ssl).text;
  const bool http = agreed.empty() || agreed == kHttp1 || agreed == kHttp2;
  for (const std::string_view ours : {kHttp2, kHttp1, std::string_view(agreed)}) {
    if (ours.empty() || (!http && ours != agreed)) continue;
    if (const unsigned char* const found = find(list, ours)) {
      *out = found;
      *size = static_cast<unsigned char>(ours.size());
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return http ? SSL_TLSEXT_ERR_NOACK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

Clients::Clients(std::shared_ptr<const KeyLog> log)
    : log_(std::move(log)), context_(tls::new_context(TLS_server_method())) {
  SSL_CTX* const context = context_.get();
  SSL_CTX_set_options(
      context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA | SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_select_cb(context, on_alpn, nullptr);
  if (log_) log_->follow(context);
}

tls::OwnedSsl Clients::make_session(const std::string& agreed) const {
  tls::OwnedSsl out(SSL_new(context_.get()));
  PENSTOCK_CHECK(out);
  if (!agreed.empty()) note(out.get(), {agreed});
  return out;
}

}  // namespace penstock::bump
