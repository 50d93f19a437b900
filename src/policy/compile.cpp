#include "policy/compile.h"

#include <string_view>
#include <unordered_map>
#include <utility>

#include "policy/pattern.h"

namespace penstock::policy {
namespace {

// What stands in `via` is never repeated as it was written: it may hold a password.
void parse_via(const RuleSpec& rule, ParsedRule& out, Faults& faults) {
  for (const Located<std::string>& word : rule.via) {
    auto parent = http::parse_parent_url(word.value);
    if (!parent) {
      faults.push_back({word.place, "via: " + parent.error()});
    } else {
      out.via.push_back(std::move(*parent));
    }
  }
  if (rule.via.empty()) return;
  if (!rule.allow) {
    faults.push_back({rule.via.front().place,
                      "via: rule \"" + rule.name + "\" refuses and so leads nowhere; remove it"});
  } else if (!rule.addresses.empty()) {
    faults.push_back({rule.via.front().place,
                      "via: a parent looks names up by itself, so nothing here can hold rule \"" +
                          rule.name + "\" to its addresses; remove one of the two"});
  }
}

void parse_inspect(const RuleSpec& rule, ParsedRule& out, Faults& faults) {
  if (!rule.inspect) return;
  out.inspect = Inspection::compile(*rule.inspect, faults);
  if (!rule.allow) {
    faults.push_back(
        {rule.inspect->place, "inspect: rule \"" + rule.name +
                                  "\" refuses, and nothing passes that could be read; remove it"});
  } else if (rule.tls == TlsCheck::kIgnored) {
    faults.push_back({rule.inspect->place,
                      "inspect: rule \"" + rule.name +
                          "\" does not look for TLS (tls: ignored), so nothing would be read; "
                          "write tls: required, or leave it out"});
  }
}

ParsedRule parse_rule(const RuleSpec& rule, Faults& faults) {
  ParsedRule out;
  out.allow = rule.allow;
  const std::string verb = rule.allow ? "allow" : "deny";
  if (rule.patterns.empty()) {
    faults.push_back({rule.place, verb + ": rule \"" + rule.name +
                                      "\" names no destination; write for example " + verb +
                                      ": [\"api.example.com:443\"]"});
  }
  for (const Located<std::string>& word : rule.patterns) {
    if (auto pattern = parse_pattern(word.value)) {
      out.patterns.push_back(std::move(*pattern));
    } else {
      faults.push_back({word.place, verb + ": " + pattern.error()});
    }
  }
  out.clients = parse_clients(rule.clients, faults);
  out.identities = parse_identities(rule.identities, faults);
  out.groups = parse_groups(rule.groups, faults);
  out.methods = parse_methods(rule.methods, faults);
  out.addresses = parse_prefixes(rule.addresses, "addresses", faults);
  if (!rule.allow && !rule.addresses.empty()) {
    faults.push_back(
        {rule.addresses.front().place,
         "addresses: rule \"" + rule.name +
             "\" refuses and so leads nowhere; put the prefixes into deny, with ports"});
  }
  parse_via(rule, out, faults);
  parse_inspect(rule, out, faults);
  return out;
}

void check_names(const Spec& spec, Faults& faults) {
  std::unordered_map<std::string_view, Place> first;
  for (const RuleSpec& rule : spec.rules) {
    if (rule.name.empty()) {
      faults.push_back({rule.place, "name: a rule has none; the log and the metrics need one"});
      continue;
    }
    const auto [at, fresh] = first.emplace(rule.name, rule.place);
    if (fresh) continue;
    faults.push_back({rule.place, "name: \"" + rule.name + "\" is taken by the rule in line " +
                                      std::to_string(at->second.line) + "; write another"});
  }
}

}  // namespace

std::expected<std::vector<ParsedRule>, Faults> parse_rules(const Spec& spec) {
  Faults faults;
  std::vector<ParsedRule> out;
  out.reserve(spec.rules.size());
  check_names(spec, faults);
  for (const RuleSpec& rule : spec.rules) out.push_back(parse_rule(rule, faults));
  if (!faults.empty()) return std::unexpected(std::move(faults));
  return out;
}

}  // namespace penstock::policy
