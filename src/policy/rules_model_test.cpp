// The compiled rules against the definition of first match, written down as plainly as possible.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "policy/test_rules.h"

namespace penstock::policy {
namespace {

constexpr uint64_t kSeed = 20261123;

template <class T, size_t N>
const T& pick(Random& random, const T (&choices)[N]) {
  return choices[random.below(N)];
}

// Few enough of everything that rules collide, nest and shadow each other.
constexpr const char* kLabels[] = {"a", "b", "example", "com"};
constexpr const char* kPrefixes[] = {
    "10.0.0.0/8", "10.1.0.0/16",  "10.1.2.3/32", "8.0.0.0/8",      "8.8.8.8/32",  "0.0.0.0/0",
    "::/0",       "64:ff9b::/96", "fd00::/8",    "2606:4700::/32", "127.0.0.0/8", "::ffff:0:0/96"};
constexpr const char* kAddresses[] = {
    "10.0.0.1",         "10.1.0.1",       "10.1.2.3",        "8.8.8.8",      "8.8.4.4",
    "1.1.1.1",          "127.0.0.1",      "fd00::1",         "2606:4700::1", "64:ff9b::808:808",
    "64:ff9b::a01:203", "::ffff:8.8.8.8", "::ffff:10.1.2.3", "2a00::1"};
constexpr const char* kIdentities[] = {"ci", "ci-7", "bot", "team-a"};
constexpr const char* kPlainMethodsAsked[] = {"GET", "PUT"};
constexpr const char* kMethods[] = {"CONNECT", "GET", "plain"};
constexpr const char* kGlobs[] = {"ci", "ci*", "bot", "*", "team-*", "team-a"};

struct Model {
  struct Ports {
    uint64_t first, last;
  };
  struct Target {
    enum { kName, kSuffix, kAny, kPrefix } kind;
    std::string name;
    std::string prefix;
    std::vector<Ports> ports;
  };
  bool allow;
  std::vector<Target> targets;
  Words clients, identities, groups, methods, addresses;
};

std::string random_name(Random& random) {
  std::string out = pick(random, kLabels);
  for (uint64_t n = random.below(4); n > 0; --n) out += std::string(".") + pick(random, kLabels);
  return out;
}

Model::Target random_target(Random& random) {
  Model::Target out;
  out.kind = static_cast<decltype(out.kind)>(random.below(4));
  out.name = random_name(random);
  out.prefix = pick(random, kPrefixes);
  out.ports.push_back({1 + random.below(3), 0});
  out.ports[0].last = out.ports[0].first + random.below(2);
  if (random.below(3) == 0) out.ports.push_back({6, 7});
  return out;
}

Words random_words(Random& random, uint64_t one_in, std::span<const char* const> choices) {
  Words out;
  if (random.below(one_in) != 0) return out;
  for (uint64_t n = 1 + random.below(3); n > 0; --n) {
    out.push_back(choices[random.below(choices.size())]);
  }
  return out;
}

Model random_rule(Random& random) {
  Model out;
  out.allow = random.below(3) != 0;
  for (uint64_t n = 1 + random.below(3); n > 0; --n) out.targets.push_back(random_target(random));
  out.clients = random_words(random, 2, std::span(kPrefixes).first(7));
  out.identities = random_words(random, 2, kGlobs);
  out.groups = random_words(random, 3, kGlobs);
  out.methods = random_words(random, 4, kMethods);
  if (out.allow) out.addresses = random_words(random, 3, kPrefixes);
  return out;
}

std::string written(const Model::Target& target) {
  std::string out;
  switch (target.kind) {
    case Model::Target::kName: out = target.name; break;
    case Model::Target::kSuffix: out = "*." + target.name; break;
    case Model::Target::kAny: out = "*"; break;
    case Model::Target::kPrefix:
      out =
          target.prefix.find(':') == std::string::npos ? target.prefix : "[" + target.prefix + "]";
      break;
  }
  char separator = ':';
  for (const Model::Ports& ports : target.ports) {
    out += separator + std::to_string(ports.first) + "-" + std::to_string(ports.last);
    separator = ',';
  }
  return out;
}

Rules compile_model(const std::vector<Model>& model, Mode mode) {
  std::vector<Written> rules;
  for (const Model& rule : model) {
    Words patterns;
    for (const Model::Target& target : rule.targets) patterns.push_back(written(target));
    rules.push_back({rule.allow, patterns, rule.clients, rule.identities, rule.groups,
                     rule.addresses, "", rule.methods});
  }
  return compiled(rules, mode);
}

bool within(const Words& prefixes, const IpAddress& address) {
  return std::ranges::any_of(prefixes, [&](const std::string& prefix) {
    return IpPrefix::parse(prefix)->contains(address);
  });
}

bool port_fits(const Model::Target& target, uint16_t port) {
  return std::ranges::any_of(target.ports, [&](const Model::Ports& ports) {
    return ports.first <= port && port <= ports.last;
  });
}

bool asker_fits(const Model& rule, const Asker& asker) {
  if (!rule.clients.empty() && !within(rule.clients, asker.client)) return false;
  const bool method_fits = std::ranges::any_of(rule.methods, [&](const std::string& method) {
    return method == asker.method || (method == "plain" && asker.method != "CONNECT");
  });
  if (!rule.methods.empty() && !method_fits) return false;
  const auto fits = [](const Words& globs, std::string_view name) {
    return std::ranges::any_of(globs, [&](const std::string& glob) {
      const size_t star = glob.find('*');  // the choices have it at the end or not at all
      return star == glob.npos ? glob == name : name.substr(0, star) == glob.substr(0, star);
    });
  };
  if (!rule.identities.empty() &&
      !(!asker.identity.empty() && fits(rule.identities, asker.identity)))
    return false;
  return rule.groups.empty() || std::ranges::any_of(asker.groups, [&](const std::string& group) {
           return fits(rule.groups, group);
         });
}

bool names_address(const Model& rule, const IpAddress& address, uint16_t port) {
  return std::ranges::any_of(rule.targets, [&](const Model::Target& target) {
    return target.kind == Model::Target::kPrefix && port_fits(target, port) &&
           IpPrefix::parse(target.prefix)->contains(address);
  });
}

bool target_fits(const Model::Target& target, const http::Authority& wanted) {
  if (!port_fits(target, wanted.port)) return false;
  switch (target.kind) {
    case Model::Target::kName: return !wanted.literal && wanted.host == target.name;
    case Model::Target::kSuffix: return !wanted.literal && wanted.host.ends_with("." + target.name);
    case Model::Target::kAny: return true;
    case Model::Target::kPrefix:
      return wanted.literal && IpPrefix::parse(target.prefix)->contains(*wanted.literal);
  }
  return false;
}

uint32_t first_match(const std::vector<Model>& rules, const Asker& asker,
                     const http::Authority& wanted) {
  for (uint32_t i = 0; i < rules.size(); ++i) {
    if (!asker_fits(rules[i], asker)) continue;
    for (const Model::Target& target : rules[i].targets) {
      if (target_fits(target, wanted)) return i;
    }
  }
  return UINT32_MAX;
}

// Whether enforce mode lets this address be dialled for a name or literal that rule `at` allowed.
bool address_passes(const std::vector<Model>& rules, uint32_t at, const Asker& asker,
                    const http::Authority& wanted, const IpAddress& address) {
  const Model& rule = rules[at];
  std::vector<IpAddress> faces{address};
  for (const IpAddress& inner : embedded_v4(address)) faces.push_back(inner);
  for (uint32_t i = 0; i < at; ++i) {
    for (const IpAddress& face : faces) {
      if (!rules[i].allow && asker_fits(rules[i], asker) &&
          names_address(rules[i], face, wanted.port)) {
        return false;
      }
    }
  }
  const auto opened = [&](const IpAddress& face) {
    return within(rule.addresses, face) ||
           (wanted.literal && names_address(rule, face, wanted.port));
  };
  const auto is_public = [](const IpAddress& face) {
    return classify(face) == AddressClass::kPublic;
  };
  if (!opened(address)) return rule.addresses.empty() && is_public(address);
  return std::all_of(faces.begin() + 1, faces.end(),
                     [&](const IpAddress& face) { return is_public(face) || opened(face); });
}

http::Authority random_authority(Random& random) {
  http::Authority out;
  out.port = static_cast<uint16_t>(1 + random.below(8));
  if (random.below(3) == 0) {
    out.literal = ip(pick(random, kAddresses));
    out.host = out.literal->text();
  } else {
    out.host = random_name(random);
  }
  return out;
}

void compare_once(Random& random, const std::vector<Model>& model, const Rules& rules) {
  Asker asker{ip(kAddresses[random.below(9)])};
  Words groups;
  if (random.below(3)) {
    asker.identity = pick(random, kIdentities);
    groups = random_words(random, 2, kIdentities);
    asker.groups = groups;
  }
  if (!random.below(3)) asker.method = pick(random, kPlainMethodsAsked);
  const http::Authority wanted = random_authority(random);
  const Decision decision = rules.judge_name(asker, wanted);
  const uint32_t at = first_match(model, asker, wanted);
  ASSERT_EQ(decision.rule_index, at) << wanted.text() << " for " << asker.client.text();
  const bool allowed = at != UINT32_MAX && model[at].allow;
  const bool report = rules.mode() == Mode::kReport;
  ASSERT_EQ(decision.allowed, allowed || report);
  ASSERT_EQ(decision.would_deny, !allowed && report);

  const IpAddress address = wanted.literal ? *wanted.literal : ip(pick(random, kAddresses));
  const bool passes = allowed && address_passes(model, at, asker, wanted, address);
  const bool only_in_report = !passes && report && classify(address) == AddressClass::kPublic;
  bool would_deny = false;
  const auto routes = rules.judge_addresses(decision, asker, wanted, std::span(&address, 1), {},
                                            nullptr, &would_deny);
  ASSERT_EQ(!routes.empty(), passes || only_in_report)
      << wanted.text() << " at " << address.text() << " by rule " << at;
  ASSERT_EQ(would_deny, only_in_report) << wanted.text() << " at " << address.text();
}

TEST(RulesModel, CompiledRulesDecideAsAWalkOverAllRulesDoes) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  Random random(kSeed);
  constexpr uint64_t kSizes[] = {1, 3, 10, 60, 250};
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    std::vector<Model> model;
    for (uint64_t n = pick(random, kSizes); n > 0; --n) model.push_back(random_rule(random));
    const Rules rules = compile_model(model, round % 4 == 3 ? Mode::kReport : Mode::kEnforce);
    for (int probe = 0; probe < 150; ++probe) {
      compare_once(random, model, rules);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

// Rules that seldom match one asker, so that long lists are entered through the asker's index.
TEST(RulesModel, RulesOfManyTenantsForOneDestinationKeepTheirOrder) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  Random random(kSeed);
  std::vector<Written> rules;
  for (int i = 0; i < 800; ++i) {
    const auto tenant = static_cast<unsigned>(random.below(200));
    Written rule{.allow = random.below(2) == 0, .patterns = {"hub.example:443"}};
    const std::string client =
        "10." + std::to_string(tenant / 50) + "." + std::to_string(tenant % 50) + ".0/24";
    if (random.below(2)) rule.clients = {client};
    if (random.below(2)) rule.identities = {"tenant-" + std::to_string(tenant)};
    if (random.below(2)) rule.groups = {"all", "group-" + std::to_string(tenant)};
    if (random.below(2)) rule.groups.clear();
    if (rule.clients.empty() && rule.identities.empty() && rule.groups.empty())
      rule.patterns = {"hub.example:80"};
    rules.push_back(rule);
  }
  const Rules built = compiled(rules);
  for (unsigned tenant = 0; tenant < 200; ++tenant) {
    const std::string client =
        "10." + std::to_string(tenant / 50) + "." + std::to_string(tenant % 50) + ".7";
    const std::string identity = "tenant-" + std::to_string(tenant);
    const Words groups = {"some", "group-" + std::to_string(tenant)};
    uint32_t expected = UINT32_MAX;
    for (uint32_t i = 0; i < rules.size() && expected == UINT32_MAX; ++i) {
      const bool client_fits = rules[i].clients.empty() || within(rules[i].clients, ip(client));
      const bool identity_fits = rules[i].identities.empty() || rules[i].identities[0] == identity;
      const bool group_fits = rules[i].groups.empty() || rules[i].groups[1] == groups[1];
      if (rules[i].patterns[0].ends_with(":443") && client_fits && identity_fits && group_fits)
        expected = i;
    }
    ASSERT_EQ(built.judge_name(from(client, identity, groups), to("hub.example:443")).rule_index,
              expected)
        << "tenant " << tenant;
  }
}

}  // namespace
}  // namespace penstock::policy
