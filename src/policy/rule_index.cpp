#include "policy/rule_index.h"

#include <algorithm>

#include "base/check.h"

namespace penstock::policy {
namespace {

// Up to here, walking a list costs less than finding the asker in an index.
constexpr size_t kShortList = 16;

// Names, and nothing but names.
bool are_names(const std::vector<std::string>& list) {
  return !list.empty() && std::ranges::none_of(list, has_glob);
}

std::vector<IpPrefix> prefixes_of(std::span<const ParsedRule> rules, bool denied_only) {
  std::vector<IpPrefix> out;
  for (const ParsedRule& rule : rules) {
    if (denied_only && rule.allow) continue;
    for (const Pattern& pattern : rule.patterns) {
      if (pattern.kind == Pattern::Kind::kPrefix) out.push_back(pattern.prefix);
    }
  }
  return out;
}

// How the asker index files a rule.
enum class Filing : uint8_t { kOpen, kIdentity, kGroup, kClient, kGlob, kMethod };

Filing filing_of(const ParsedRule& rule) {
  if (are_names(rule.identities)) return Filing::kIdentity;
  if (are_names(rule.groups)) return Filing::kGroup;
  if (!rule.clients.empty()) return Filing::kClient;
  if (!rule.identities.empty() || !rule.groups.empty()) return Filing::kGlob;
  return rule.methods.empty() ? Filing::kOpen : Filing::kMethod;
}

}  // namespace

template <class T>
void Lists<T>::pack() {
  uint32_t keys = 0;
  for (const auto& [key, item] : pending_) keys = std::max(keys, key + 1);
  PENSTOCK_CHECK(pending_.size() < UINT32_MAX);
  starts_.assign(keys + size_t{1}, 0);
  for (const auto& [key, item] : pending_) ++starts_[key + 1];
  for (size_t i = 1; i < starts_.size(); ++i) starts_[i] += starts_[i - 1];
  std::vector<uint32_t> next(starts_.begin(), starts_.end());
  items_.resize(pending_.size());
  for (const auto& [key, item] : pending_) items_[next[key]++] = item;
  pending_ = {};
}

struct RuleIndex::Query {
  const Asker& asker;
  uint16_t port;
  uint32_t best = kNone;  // only rules below this still matter
  // Where the asker stands in the index; looked up once, by the first long list.
  bool located = false;
  uint32_t identity = kNone;
  uint32_t client = kNone;
};

RuleIndex::RuleIndex(std::span<const ParsedRule> rules)
    : prefixes_(prefixes_of(rules, false)), denied_prefixes_(prefixes_of(rules, true)) {
  PENSTOCK_CHECK(rules.size() < kNone);
  by_prefix_.keep_repeats = true;
  std::vector<IpPrefix> clients;
  for (const ParsedRule& rule : rules) {
    if (filing_of(rule) != Filing::kClient) continue;
    clients.insert(clients.end(), rule.clients.begin(), rule.clients.end());
  }
  clients_ = PrefixSet(std::move(clients));

  for (uint32_t number = 0; number < rules.size(); ++number) {
    const ParsedRule& rule = rules[number];
    index_asker(number, rule, clients_);
    for (const Pattern& pattern : rule.patterns) {
      switch (pattern.kind) {
        case Pattern::Kind::kName:
          add_entries(by_name_, names_.add(pattern.name), number, pattern);
          break;
        case Pattern::Kind::kSuffix:
          add_entries(by_suffix_, suffixes_.add(pattern.name), number, pattern);
          break;
        case Pattern::Kind::kAny: add_entries(any_, 0, number, pattern); break;
        case Pattern::Kind::kPrefix:
          add_entries(by_prefix_, prefixes_.number_of(pattern.prefix), number, pattern);
          if (!rule.allow) {
            add_entries(by_denied_prefix_, denied_prefixes_.number_of(pattern.prefix), number,
                        pattern);
          }
          break;
      }
    }
  }
  for (Entries* entries : {&by_name_, &by_suffix_, &by_prefix_, &by_denied_prefix_, &any_}) {
    entries->pack();
  }
  by_identity_.pack();
  by_group_.pack();
  by_client_.pack();
}

void RuleIndex::add_entries(Entries& entries, uint32_t key, uint32_t rule, const Pattern& pattern) {
  for (const PortRange& ports : pattern.ports) {
    if (askers_[rule]) {
      entries.bound.add(key, Entry{rule, ports});
      continue;
    }
    const uint64_t what = uint64_t{key} << 32 | uint64_t{ports.first} << 16 | ports.last;
    if (entries.keep_repeats || entries.seen.insert(what).second) {
      entries.open.add(key, Entry{rule, ports});
    }
  }
}

void RuleIndex::index_asker(uint32_t rule, const ParsedRule& parsed, const PrefixSet& clients) {
  const Filing filing = filing_of(parsed);
  askers_.push_back(filing == Filing::kOpen
                        ? nullptr
                        : std::make_unique<Askers>(parsed.clients, parsed.identities, parsed.groups,
                                                   parsed.methods));
  switch (filing) {
    case Filing::kOpen: break;
    case Filing::kIdentity:
      for (const std::string& identity : parsed.identities) {
        by_identity_.add(identities_.add(identity), rule);
      }
      break;
    case Filing::kGroup:
      for (const std::string& group : parsed.groups) by_group_.add(groups_.add(group), rule);
      break;
    case Filing::kClient:
      for (const IpPrefix& client : parsed.clients) by_client_.add(clients.number_of(client), rule);
      break;
    case Filing::kGlob: by_glob_.push_back(rule); break;
    case Filing::kMethod: by_method_.push_back(rule); break;
  }
}

template <class Visit>
void RuleIndex::for_each_candidate_list(Query& query, Visit&& visit) const {
  if (!query.located) {
    query.located = true;
    query.client = clients_.longest(query.asker.client);
    if (!query.asker.identity.empty()) query.identity = identities_.find(query.asker.identity);
  }
  if (query.identity != NameIndex::kNone) visit(by_identity_.at(query.identity));
  for (const std::string& group : query.asker.groups) {
    const uint32_t number = groups_.find(group);
    if (number != NameIndex::kNone) visit(by_group_.at(number));
  }
  if (!query.asker.identity.empty()) visit(std::span<const uint32_t>(by_glob_));
  visit(std::span<const uint32_t>(by_method_));
  for (uint32_t client = query.client; client != PrefixSet::kNone;
       client = clients_.wider(client)) {
    visit(by_client_.at(client));
  }
}

// Lowers `query.best` to the first rule in the list under `key` that fits.
void RuleIndex::narrow(Query& query, const Entries& entries, uint32_t key) const {
  for (const Entry& entry : entries.open.at(key)) {
    if (entry.rule >= query.best) break;
    if (entry.ports.contains(query.port)) {
      query.best = entry.rule;
      break;
    }
  }
  const std::span<const Entry> bound = entries.bound.at(key);
  if (bound.size() > kShortList) {
    if (narrow_by_asker(query, bound)) return;
  }
  for (const Entry& entry : bound) {
    if (entry.rule >= query.best) break;
    if (entry.ports.contains(query.port) && askers_[entry.rule]->matches(query.asker)) {
      query.best = entry.rule;
      break;
    }
  }
}

// False: the asker is in more rules than the list has, and nothing was done.
bool RuleIndex::narrow_by_asker(Query& query, std::span<const Entry> bound) const {
  size_t candidates = 0;
  for_each_candidate_list(query,
                          [&](std::span<const uint32_t> rules) { candidates += rules.size(); });
  if (candidates >= bound.size()) return false;
  for_each_candidate_list(query, [&](std::span<const uint32_t> rules) {
    for (uint32_t rule : rules) {
      if (rule >= query.best) break;
      const auto mine = std::ranges::equal_range(bound, rule, {}, &Entry::rule);
      const bool port_fits = std::ranges::any_of(
          mine, [&](const Entry& entry) { return entry.ports.contains(query.port); });
      if (port_fits && askers_[rule]->matches(query.asker)) {
        query.best = rule;
        break;
      }
    }
  });
  return true;
}

uint32_t RuleIndex::first_match(const Asker& asker, const http::Authority& target) const {
  Query query{asker, target.port};
  narrow(query, any_, 0);
  if (target.literal) {
    for (uint32_t prefix = prefixes_.longest(*target.literal); prefix != PrefixSet::kNone;
         prefix = prefixes_.wider(prefix)) {
      narrow(query, by_prefix_, prefix);
    }
    return query.best;
  }
  const std::string_view host = target.host;
  NameHash hash;
  for (size_t at = host.size(); at > 0; --at) {
    if (host[at - 1] == '.' && !suffixes_.empty()) {
      const uint32_t suffix = suffixes_.find(host.substr(at), hash.value());
      if (suffix != NameIndex::kNone) narrow(query, by_suffix_, suffix);
    }
    hash.prepend(host[at - 1]);
  }
  const uint32_t name = names_.find(host, hash.value());
  if (name != NameIndex::kNone) narrow(query, by_name_, name);
  return query.best;
}

bool RuleIndex::denied(const Asker& asker, const IpAddress& address, uint16_t port,
                       uint32_t before) const {
  Query query{asker, port, before};
  for (uint32_t prefix = denied_prefixes_.longest(address); prefix != PrefixSet::kNone;
       prefix = denied_prefixes_.wider(prefix)) {
    narrow(query, by_denied_prefix_, prefix);
  }
  return query.best < before;
}

bool RuleIndex::names_address(uint32_t rule, const IpAddress& address, uint16_t port) const {
  const Entries& entries = by_prefix_;
  for (uint32_t prefix = prefixes_.longest(address); prefix != PrefixSet::kNone;
       prefix = prefixes_.wider(prefix)) {
    const std::span<const Entry> list =
        askers_[rule] ? entries.bound.at(prefix) : entries.open.at(prefix);
    const auto mine = std::ranges::equal_range(list, rule, {}, &Entry::rule);
    for (const Entry& entry : mine) {
      if (entry.ports.contains(port)) return true;
    }
  }
  return false;
}

}  // namespace penstock::policy
