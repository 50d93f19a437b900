// What a message says to the next hop alone, and what is left of it for those behind (RFC 9110
// section 7.6): Connection and whatever it names, Keep-Alive, TE, Trailer, Upgrade, and all that
// begins with "Proxy-" but Proxy-Status. The fields of the framing and Host are left out as well:
// whoever passes a message on writes those himself, so that no second reading of them survives.
// Pure.   Cost: linear in bytes; options in Connection are bounded.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/request_parts.h"

namespace penstock::http {

struct Hop {
  // Each option costs a comparison per field, and no client needs more.
  static constexpr size_t kOptionsMax = 32;

  std::vector<std::string_view> options;  // of Connection, in order
  std::vector<std::string_view> upgrades;
  bool close = false;
  bool upgrade = false;  // Connection says so

  // WebSocket and nothing else is asked for (RFC 6455). Any other protocol would carry requests of
  // its own past the rules (h2c) or is none that we know of.
  bool websocket() const;
};

// `lines`: the field lines of a head that was found good. Empty: Connection or Upgrade is no list
// of tokens, or too long a one.
std::optional<Hop> read_hop(std::string_view lines);

// Appends the fields that go on as they are.
void append_passing_fields(std::string& out, std::string_view lines, const Hop& hop);

// Whether a proxy of that pseudonym has passed the message on before (RFC 9110 section 7.6.3).
bool passed_through(std::string_view lines, std::string_view pseudonym);

// Authentication that counts for a connection and not for a request (NTLM, Negotiate): what was
// sent on such a connection by another client would be taken for this one's.
bool binds_connection(std::string_view lines);

}  // namespace penstock::http
