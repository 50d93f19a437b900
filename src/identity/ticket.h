// One login by Kerberos, as a Negotiate token has it (RFC 4559, RFC 4178): checked by GSSAPI, in
// one round. Only Kerberos is negotiated, whatever other mechanisms are installed. The library
// remembers tokens for as long as they could be sent again, and refuses those that are.
// Thread: any, not a loop's: it reads and writes the file of those.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "identity/keytab.h"

namespace penstock::identity {

enum class TicketFault : uint8_t { kRejected, kExpired, kNtlm };

struct TicketRefusal {
  TicketFault fault;
  std::string why;  // for the log: the library's words
};

// The principal with its realm, "ann@EXAMPLE.COM". `token`: as bytes.
std::expected<std::string, TicketRefusal> check_ticket(const Keytab& keys, std::string_view token);

// `principal` without its realm if that is `realm`: another realm's ann is somebody else.
std::string without_realm(const std::string& principal, std::string_view realm);

}  // namespace penstock::identity
