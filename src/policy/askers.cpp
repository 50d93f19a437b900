#include "policy/askers.h"

#include <algorithm>

#include "policy/address_class.h"
#include "policy/pattern.h"

namespace penstock::policy {
namespace {

constexpr int kMappedPrefixBits = 96;

// Clients behind a v6 socket are compared as the v4 addresses they are, so a mapped prefix would
// never match anybody: a `deny` that looks right and does nothing.
void refuse_mapped_clients(const LocatedWords& words, Faults& faults) {
  for (const Located<std::string>& word : words) {
    const auto prefix = parse_prefix(word.value);
    if (!prefix || prefix->length < kMappedPrefixBits) continue;
    const auto address = mapped_v4(prefix->address);
    if (!address) continue;
    const IpPrefix v4{*address, prefix->length - kMappedPrefixBits};
    faults.push_back({word.place, "clients: \"" + word.value +
                                      "\" is an IPv4 prefix in disguise; write " + v4.text()});
  }
}

std::vector<std::string> parse_names(const LocatedWords& words, std::string_view what,
                                     Faults& faults) {
  std::vector<std::string> out;
  for (const Located<std::string>& word : words) {
    if (word.value.empty()) {
      faults.push_back({word.place, std::string(what) +
                                        " is empty; write a name, or \"*\" for everybody who has "
                                        "one"});
    }
    out.push_back(word.value);
  }
  return out;
}

}  // namespace

// Rules speak of a.b.c.d, and a `deny` for 10.0.0.0/8 must not end where the listener's family
// begins.
Asker as_written(Asker asker) {
  if (const auto v4 = mapped_v4(asker.client)) asker.client = *v4;
  return asker;
}

std::vector<IpPrefix> parse_prefixes(const LocatedWords& words, std::string_view key,
                                     Faults& faults) {
  std::vector<IpPrefix> out;
  for (const Located<std::string>& word : words) {
    if (auto prefix = parse_prefix(word.value)) {
      out.push_back(*prefix);
    } else {
      faults.push_back({word.place, std::string(key) + ": " + prefix.error()});
    }
  }
  return out;
}

std::vector<IpPrefix> parse_clients(const LocatedWords& words, Faults& faults) {
  refuse_mapped_clients(words, faults);
  return parse_prefixes(words, "clients", faults);
}

std::vector<std::string> parse_identities(const LocatedWords& words, Faults& faults) {
  return parse_names(words, "identities: an identity", faults);
}

std::vector<std::string> parse_groups(const LocatedWords& words, Faults& faults) {
  return parse_names(words, "groups: a group", faults);
}

bool has_glob(std::string_view name) {
  return name.find('*') != name.npos;
}

std::vector<std::string> parse_methods(const LocatedWords& words, Faults& faults) {
  const auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  std::vector<std::string> out;
  for (const Located<std::string>& word : words) {
    const bool known = word.value == kPlainMethods ||
                       (!word.value.empty() && std::ranges::all_of(word.value, upper));
    if (!known) {
      faults.push_back({word.place, "methods: \"" + word.value +
                                        "\" is no method; write CONNECT, GET or the like in "
                                        "capitals, or plain for all but CONNECT"});
    }
    out.push_back(word.value);
  }
  return out;
}

bool glob_matches(std::string_view pattern, std::string_view text) {
  size_t p = 0;
  size_t t = 0;
  size_t star = pattern.npos;  // the last '*' seen, and how far into text it reaches
  size_t reach = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      reach = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != pattern.npos) {
      p = star + 1;
      t = ++reach;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Names::Names(std::span<const std::string> names) {
  for (const std::string& name : names) {
    if (has_glob(name)) {
      globs_.push_back(name);
    } else {
      names_.add(name);
    }
  }
}

bool Names::match(std::string_view name) const {
  if (names_.find(name) != NameIndex::kNone) return true;
  return std::ranges::any_of(globs_,
                             [&](const std::string& glob) { return glob_matches(glob, name); });
}

Askers::Askers(std::span<const IpPrefix> clients, std::span<const std::string> identities,
               std::span<const std::string> groups, std::span<const std::string> methods)
    : clients_(std::vector<IpPrefix>(clients.begin(), clients.end())),
      identities_(identities),
      groups_(groups),
      methods_(methods.begin(), methods.end()) {}

bool Askers::matches(const Asker& asker) const {
  if (!clients_.empty() && !clients_.contains(asker.client)) return false;
  const auto covers = [&asker](const std::string& method) {
    return method == asker.method || (method == kPlainMethods && asker.plain());
  };
  if (!methods_.empty() && std::ranges::none_of(methods_, covers)) return false;
  if (!identities_.empty()) {
    if (asker.identity.empty() || !identities_.match(asker.identity)) return false;
  }
  return groups_.empty() || std::ranges::any_of(asker.groups, [&](const std::string& group) {
           return groups_.match(group);
         });
}

}  // namespace penstock::policy
