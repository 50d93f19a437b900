#include "identity/ticket.h"

#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <krb5.h>

#include <algorithm>
#include <array>

namespace penstock::identity {
namespace {

constexpr size_t kWordsMax = 300;

// 1.3.6.1.5.5.2, SPNEGO (RFC 4178).
gss_OID_desc spnego() {
  static char bytes[] = "\x2b\x06\x01\x05\x05\x02";
  return {6, bytes};
}

OM_uint32 delete_context(OM_uint32* minor, gss_ctx_id_t* context) {
  return gss_delete_sec_context(minor, context, GSS_C_NO_BUFFER);
}

// What the library has given out, and takes back.
template <class T, auto release>
struct Owned {
  Owned() = default;
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  ~Owned() {
    OM_uint32 minor = 0;
    (void)release(&minor, &value);  // of nothing: it says so, and that is all
  }
  T value{};
};
using Name = Owned<gss_name_t, gss_release_name>;
using Buffer = Owned<gss_buffer_desc, gss_release_buffer>;
using Credential = Owned<gss_cred_id_t, gss_release_cred>;
using Context = Owned<gss_ctx_id_t, delete_context>;

std::string text_in(const Buffer& buffer) {
  return {static_cast<const char*>(buffer.value.value), buffer.value.length};
}

// What the library says, on one line. It may name the service that the client meant.
std::string words(OM_uint32 status, int kind) {
  std::string out;
  OM_uint32 more = 0;
  do {
    OM_uint32 minor = 0;
    Buffer text;
    if (gss_display_status(&minor, status, kind, GSS_C_NO_OID, &more, &text.value) !=
        GSS_S_COMPLETE) {
      break;
    }
    out += (out.empty() ? "" : "; ") + text_in(text);
  } while (more != 0 && out.size() < kWordsMax);
  out.resize(std::min(out.size(), kWordsMax));
  std::ranges::replace_if(out, [](char c) { return c < ' ' || c > '~'; }, '?');
  return out;
}

bool has_ntlm(std::string_view token) {
  using namespace std::string_view_literals;
  return token.contains("NTLMSSP\0"sv);
}

// By its text: on its way through the layers of GSSAPI the code becomes another one.
bool says_expired(const std::string& reason) {
  const char* text = krb5_get_error_message(nullptr, KRB5KRB_AP_ERR_TKT_EXPIRED);
  const bool out = reason == text;
  krb5_free_error_message(nullptr, text);
  return out;
}

std::unexpected<TicketRefusal> refuse(std::string_view token, OM_uint32 major, OM_uint32 minor) {
  const auto because = [](TicketFault fault, std::string why) {
    return std::unexpected(TicketRefusal{fault, std::move(why)});
  };
  if (has_ntlm(token)) return because(TicketFault::kNtlm, "NTLM instead of a Kerberos ticket");
  if (GSS_ERROR(major) == 0) return because(TicketFault::kRejected, "it would take another round");
  std::string reason = words(minor, GSS_C_MECH_CODE);
  if (GSS_ROUTINE_ERROR(major) == GSS_S_CREDENTIALS_EXPIRED || says_expired(reason)) {
    return because(TicketFault::kExpired, "the ticket has expired");
  }
  // Else the mechanism has the reason.
  if (GSS_ROUTINE_ERROR(major) != GSS_S_FAILURE) reason = words(major, GSS_C_GSS_CODE);
  return because(TicketFault::kRejected, std::move(reason));
}

OM_uint32 acquire(const Keytab& keys, Credential& out, OM_uint32* minor) {
  const std::string& name = keys.name();
  gss_key_value_element_desc element{"keytab", name.c_str()};
  const gss_key_value_set_desc store{1, &element};
  std::array<gss_OID_desc, 2> both{*gss_mech_krb5, spnego()};
  gss_OID_set_desc mechanisms{both.size(), both.data()};
  OM_uint32 major = gss_acquire_cred_from(minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, &mechanisms,
                                          GSS_C_ACCEPT, &store, &out.value, nullptr, nullptr);
  if (major != GSS_S_COMPLETE) return major;
  gss_OID_set_desc kerberos{1, both.data()};
  return gss_set_neg_mechs(minor, out.value, &kerberos);
}

}  // namespace

std::expected<std::string, TicketRefusal> check_ticket(const Keytab& keys, std::string_view token) {
  OM_uint32 minor = 0;
  Credential ours;
  OM_uint32 major = acquire(keys, ours, &minor);
  if (major != GSS_S_COMPLETE) return refuse({}, major, minor);
  gss_buffer_desc input{token.size(), const_cast<char*>(token.data())};
  Context context;
  Name client;
  Buffer answer;  // proves to the client who we are; no client of a proxy looks at it
  OM_uint32 flags = 0;
  major =
      gss_accept_sec_context(&minor, &context.value, ours.value, &input, GSS_C_NO_CHANNEL_BINDINGS,
                             &client.value, nullptr, &answer.value, &flags, nullptr, nullptr);
  if (major != GSS_S_COMPLETE) return refuse(token, major, minor);
  if ((flags & GSS_C_ANON_FLAG) != 0) {
    return std::unexpected(TicketRefusal{TicketFault::kRejected, "an anonymous ticket"});
  }
  Buffer name;
  major = gss_display_name(&minor, client.value, &name.value, nullptr);
  if (major != GSS_S_COMPLETE) return refuse(token, major, minor);
  return text_in(name);
}

std::string without_realm(const std::string& principal, std::string_view realm) {
  const std::string end = "@" + std::string(realm);
  if (realm.empty() || principal.size() <= end.size() || !principal.ends_with(end)) {
    return principal;
  }
  const std::string name = principal.substr(0, principal.size() - end.size());
  return name.ends_with('\\') ? principal : name;  // that '@' is part of a name
}

}  // namespace penstock::identity
