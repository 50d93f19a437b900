// Rules and targets in few words, for the tests of this folder only.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "policy/rules.h"

namespace penstock::policy {

using Words = std::vector<std::string>;

inline std::vector<Located<std::string>> located(const Words& words) {
  std::vector<Located<std::string>> out;
  for (const std::string& word : words) {
    out.push_back({word, Place{1, static_cast<int>(out.size()) + 1}});
  }
  return out;
}

// One rule; what it does not set is as if it were not written.
struct Written {
  bool allow = true;
  Words patterns = {};
  Words clients = {};
  Words identities = {};
  Words groups = {};
  Words addresses = {};
  std::string name = "";
  Words methods = {};
  TlsCheck tls = TlsCheck::kChecked;
};

inline Spec spec_of(const std::vector<Written>& rules, Mode mode = Mode::kEnforce) {
  Spec out;
  out.mode = mode;
  for (const Written& rule : rules) {
    RuleSpec spec;
    spec.place = {static_cast<int>(out.rules.size()) + 1, 1};
    spec.name = rule.name.empty() ? "rule-" + std::to_string(out.rules.size()) : rule.name;
    spec.allow = rule.allow;
    spec.patterns = located(rule.patterns);
    spec.clients = located(rule.clients);
    spec.identities = located(rule.identities);
    spec.groups = located(rule.groups);
    spec.methods = located(rule.methods);
    spec.tls = rule.tls;
    spec.addresses = located(rule.addresses);
    out.rules.push_back(std::move(spec));
  }
  return out;
}

inline Rules compiled(const std::vector<Written>& rules, Mode mode = Mode::kEnforce) {
  auto out = Rules::compile(spec_of(rules, mode));
  if (!out) {
    for (const Fault& fault : out.error()) ADD_FAILURE() << fault.message;
    std::abort();
  }
  return std::move(*out);
}

inline IpAddress ip(std::string_view text) {
  const auto address = IpAddress::parse(text);
  if (!address) ADD_FAILURE() << text << " is no address";
  return address.value_or(IpAddress{});
}

inline http::Authority to(std::string_view text) {
  const auto authority = http::parse_authority(text);
  if (!authority) ADD_FAILURE() << text << " is no authority";
  return authority.value_or(http::Authority{});
}

inline Asker from(std::string_view client, std::string_view identity = "",
                  std::span<const std::string> groups = {},
                  std::string_view method = Asker::kTunnel) {
  return Asker{ip(client), identity, groups, method};
}

}  // namespace penstock::policy
