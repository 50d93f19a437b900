// A destination as a rule writes it, parsed once. Grammar:
//   host:ports   *.suffix:ports   *:ports   address:ports   CIDR:ports   [v6]:ports [v6/len]:ports
//   ports: a number, a range a-b, or a comma list of both
// Names are brought to the form of http::canonical_name, so a rule and a request that mean the
// same host compare equal.
// Errors: a sentence that says what was found and what would be right.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"

namespace penstock::policy {

struct PortRange {
  uint16_t first = 0;  // 1 to 65535
  uint16_t last = 0;   // not below first

  bool contains(uint16_t port) const { return first <= port && port <= last; }
  friend bool operator==(const PortRange&, const PortRange&) = default;
};

struct Pattern {
  enum class Kind : uint8_t {
    kName,    // exactly `name`
    kSuffix,  // any name below `name`, at any depth; not `name` itself, never an address
    kAny,     // any name and any address
    kPrefix,  // address literals within `prefix`
  };

  Kind kind = Kind::kAny;
  std::string name;
  IpPrefix prefix;
  std::vector<PortRange> ports;  // ascending, without overlap; none in a pattern of hosts

  std::string text() const;  // parses to an equal Pattern, by the function that made it
  friend bool operator==(const Pattern&, const Pattern&) = default;
};

std::expected<Pattern, std::string> parse_pattern(std::string_view text);

// The same without ports, where only a host is meant; an IPv6 address may leave its brackets out.
std::expected<Pattern, std::string> parse_host_pattern(std::string_view text);

// A prefix as `clients:` and `addresses:` write it. Host bits are a mistake, not a shorthand:
// whoever writes 10.1.2.3/8 may have meant one host.
std::expected<IpPrefix, std::string> parse_prefix(std::string_view text);

}  // namespace penstock::policy
