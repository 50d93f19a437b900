// Whom a rule or a quota is for: client prefixes, identities and groups, all of which must hold
// where they are given. Thread: any.   Cost: matches() allocates nothing.
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

bool has_glob(std::string_view name);
// `pattern` with '*' for any run of characters, against all of `text`. Case matters. Linear in the
// product of the sizes at worst, never exponential: identities come from clients.
bool glob_matches(std::string_view pattern, std::string_view text);

// The asker that rules speak of: a v6 socket reports a v4 client as ::ffff:a.b.c.d.
Asker as_written(Asker asker);

// What stands behind `clients:`, `identities:`, `groups:` and other keys of prefixes; `key` is for
// messages.
// What is faulty is left out.
using LocatedWords = std::vector<Located<std::string>>;
std::vector<IpPrefix> parse_prefixes(const LocatedWords& words, std::string_view key,
                                     Faults& faults);
std::vector<IpPrefix> parse_clients(const LocatedWords& words, Faults& faults);
std::vector<std::string> parse_identities(const LocatedWords& words, Faults& faults);
std::vector<std::string> parse_groups(const LocatedWords& words, Faults& faults);

// Names, of which those with a '*' are globs.
class Names {
 public:
  explicit Names(std::span<const std::string> names);

  bool match(std::string_view name) const;
  bool empty() const { return names_.empty() && globs_.empty(); }

 private:
  NameIndex names_;
  std::vector<std::string> globs_;
};

// In place of a method: every one but CONNECT.
inline constexpr std::string_view kPlainMethods = "plain";
std::vector<std::string> parse_methods(const LocatedWords& words, Faults& faults);

class Askers {
 public:
  // An empty list means no condition.
  Askers(std::span<const IpPrefix> clients, std::span<const std::string> identities,
         std::span<const std::string> groups = {}, std::span<const std::string> methods = {});

  // An asker without identity matches no rule that names identities, not even "*"; nor does one
  // without groups match a rule that names groups. One of an asker's groups is enough.
  bool matches(const Asker& asker) const;

 private:
  PrefixSet clients_;
  Names identities_;
  Names groups_;
  std::vector<std::string> methods_;
};

}  // namespace penstock::policy
