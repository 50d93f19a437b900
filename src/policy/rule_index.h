// The rules turned inside out: from a destination straight to the rules that name it.
//
// Every pattern becomes entries in a list under its key: the exact name, the suffix, the prefix,
// or `*`. A request meets few keys (one name, its suffixes, the prefixes over an address, `*`),
// and the lowest rule in their lists that also fits port and asker decides. A long list is not
// walked: the rules that are bound to clients, identities or groups are also indexed by those, and
// the shorter side leads. Thread: any, once built.   Lifetime: borrows nothing. Cost: no allocation
// to ask. Hundreds of nanoseconds; only thousands of globs, or of rules for one destination that
// differ in nothing but the port, are walked one by one.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "http/authority.h"
#include "policy/askers.h"
#include "policy/inspection.h"
#include "policy/name_index.h"
#include "policy/pattern.h"
#include "policy/prefix_set.h"

namespace penstock::policy {

// A rule with its words parsed.
struct ParsedRule {
  bool allow = true;
  std::vector<Pattern> patterns;
  std::vector<IpPrefix> clients;
  std::vector<std::string> identities;
  std::vector<std::string> groups;
  std::vector<std::string> methods;
  std::vector<IpPrefix> addresses;
  std::vector<http::ProxyUrl> via;
  std::shared_ptr<const Inspection> inspect;
};

// Lists of T under consecutive keys, packed into one block.
template <class T>
class Lists {
 public:
  void add(uint32_t key, const T& item) { pending_.emplace_back(key, item); }
  void pack();  // keeps the order of adding within each key
  std::span<const T> at(uint32_t key) const {
    if (key + size_t{1} >= starts_.size()) return {};
    return std::span(items_).subspan(starts_[key], starts_[key + 1] - starts_[key]);
  }

 private:
  std::vector<std::pair<uint32_t, T>> pending_;
  std::vector<uint32_t> starts_;
  std::vector<T> items_;
};

class RuleIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  explicit RuleIndex(std::span<const ParsedRule> rules);

  // The first rule that names the target for this asker, or kNone.
  uint32_t first_match(const Asker& asker, const http::Authority& target) const;

  // Whether a `deny` rule before rule `before` names this address by address or prefix.
  bool denied(const Asker& asker, const IpAddress& address, uint16_t port, uint32_t before) const;

  // Whether this very rule names the address by address or prefix.
  bool names_address(uint32_t rule, const IpAddress& address, uint16_t port) const;

 private:
  // One port range of one pattern of one rule.
  struct Entry {
    uint32_t rule;
    PortRange ports;
  };
  // Entries under keys, each list ascending by rule. `open`: rules for any asker.
  struct Entries {
    Lists<Entry> open;
    Lists<Entry> bound;
    // Key and ports already in `open`. A second open rule for them can never decide, and a name
    // that stands in thousands of rules would make a long walk of it. Only while building.
    std::unordered_set<uint64_t> seen;
    // by_prefix_ also answers what a rule names, decided or not, so it keeps everything.
    bool keep_repeats = false;

    void pack() {
      open.pack();
      bound.pack();
      seen = {};
    }
  };
  struct Query;  // one question and the best answer so far

  void add_entries(Entries& entries, uint32_t key, uint32_t rule, const Pattern& pattern);
  void index_asker(uint32_t rule, const ParsedRule& parsed, const PrefixSet& clients);
  void narrow(Query& query, const Entries& entries, uint32_t key) const;
  bool narrow_by_asker(Query& query, std::span<const Entry> bound) const;
  template <class Visit>
  void for_each_candidate_list(Query& query, Visit&& visit) const;

  std::vector<std::unique_ptr<Askers>> askers_;  // by rule; null: anybody

  NameIndex names_;
  NameIndex suffixes_;
  PrefixSet prefixes_;
  PrefixSet denied_prefixes_;
  Entries by_name_;
  Entries by_suffix_;
  Entries by_prefix_;
  Entries by_denied_prefix_;
  Entries any_;  // all under key 0

  // Each bound rule is in exactly one of these lists for a given identity, or under each of its
  // groups or client prefixes.
  NameIndex identities_;
  NameIndex groups_;
  PrefixSet clients_;
  Lists<uint32_t> by_identity_;
  Lists<uint32_t> by_group_;
  Lists<uint32_t> by_client_;
  std::vector<uint32_t> by_glob_;
  std::vector<uint32_t> by_method_;
};

}  // namespace penstock::policy
