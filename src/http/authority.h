// The destination of a CONNECT, parsed once and strictly. Policy, DNS, dial and log all use this
// one value, so there is no second spelling for an attacker to hide in.
// Pure functions, any thread. Cost: linear in the text; allocates only what the result keeps.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/ip.h"

namespace penstock::http {

struct Authority {
  std::string host;                  // lower-case name without trailing dot, or canonical address
  std::optional<IpAddress> literal;  // set when the host is an address literal
  uint16_t port = 0;                 // 1 to 65535

  std::string text() const;  // "host:port", brackets around IPv6
  friend bool operator==(const Authority&, const Authority&) = default;
};

// authority-form of RFC 9112 section 3.2.3 and nothing else.
Result<Authority> parse_authority(std::string_view text);

// The value of a Host field (RFC 9110 section 7.2), where the port may be missing. It is compared
// with the target and then forgotten: no decision is ever made from it.
struct HostField {
  std::string host;
  std::optional<IpAddress> literal;
  std::optional<uint16_t> port;

  // The same host, and the same port unless the field left it out.
  bool agrees_with(const Authority& target) const;
};
Result<HostField> parse_host_field(std::string_view text);

// A host name in the one form that everything compares: LDH labels (and '_'), at most 63 bytes
// each and 253 in all, lower case, at most one trailing dot dropped. Names whose last label is
// numeric are refused: some resolver would take them for an address.
Result<std::string> canonical_name(std::string_view text);

}  // namespace penstock::http
