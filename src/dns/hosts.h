// /etc/hosts as a table: names to addresses, in the order of the file (hosts(5)).
// Pure. Limits: kHostsBytes of text are looked at by the caller, kAddressesMax addresses per
// name are kept. What cannot be asked for (no canonical name) and what is no address (a zone,
// a short form like 127.1) is skipped: a typing error in one line must not lose the others.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ip.h"
#include "dns/name_hash.h"

namespace penstock::dns {

inline constexpr size_t kHostsBytes = 2 * 1024 * 1024;

class Hosts {
 public:
  static Hosts parse(std::string_view text);

  // Null: the file does not know the name.
  const std::vector<IpAddress>* find(std::string_view name) const;
  size_t size() const { return names_.size(); }

 private:
  void add_line(std::string_view line);

  std::unordered_map<std::string, std::vector<IpAddress>, NameHash, std::equal_to<>> names_;
};

// localhost and what is below it never leave the machine (RFC 6761 section 6.3).
bool is_localhost(std::string_view name);

}  // namespace penstock::dns
