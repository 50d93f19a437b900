// Whom a rule or a quota is for: client prefixes and identities, both of which must hold where they
// are given. Thread: any.   Cost: matches() allocates nothing.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "policy/decision.h"
#include "policy/name_index.h"
#include "policy/prefix_set.h"

namespace penstock::policy {

// `pattern` with '*' for any run of characters, against all of `text`. Case matters. Linear in the
// product of the sizes at worst, never exponential: identities come from clients.
bool glob_matches(std::string_view pattern, std::string_view text);

// The asker that rules speak of: a v6 socket reports a v4 client as ::ffff:a.b.c.d.
Asker as_written(Asker asker);

// What stands behind `clients:`, `identities:` and other keys of prefixes; `key` is for messages.
// What is faulty is left out.
using LocatedWords = std::vector<Located<std::string>>;
std::vector<IpPrefix> parse_prefixes(const LocatedWords& words, std::string_view key,
                                     Faults& faults);
std::vector<IpPrefix> parse_clients(const LocatedWords& words, Faults& faults);
std::vector<std::string> parse_identities(const LocatedWords& words, Faults& faults);

class Askers {
 public:
  // An empty list means no condition.
  Askers(std::span<const IpPrefix> clients, std::span<const std::string> identities);

  // An asker without identity matches no rule that names identities, not even "*".
  bool matches(const Asker& asker) const;

 private:
  bool any_identity_;
  PrefixSet clients_;
  NameIndex identities_;
  std::vector<std::string> globs_;
};

}  // namespace penstock::policy
