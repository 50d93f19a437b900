#include "config/checks.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "config/scalars.h"
#include "policy/address_class.h"

namespace penstock::config {
namespace {

// Where `section.key` stands; the section if the key is absent; nowhere if both are.
Place place_of(const Node& root, std::string_view section, std::string_view key) {
  const Node* outer = root.find(section);
  if (outer == nullptr) return {};
  const Node* inner = outer->find(key);
  return inner == nullptr ? outer->place : inner->place;
}

// The same for the first of two keys that was written.
Place place_of_either(const Node& root, std::string_view section, std::string_view first,
                      std::string_view second) {
  const Node* outer = root.find(section);
  const bool first_written = outer != nullptr && outer->find(first) != nullptr;
  return place_of(root, section, first_written ? first : second);
}

// What names identities or groups where nobody has any.
void warn_of_names(const Config& config, const policy::LocatedWords& identities,
                   const policy::LocatedWords& groups, const std::string& whose, Faults& warnings) {
  if (!config.identity_specs.empty()) return;
  for (const auto* words : {&identities, &groups}) {
    if (words->empty()) continue;
    std::string said = words == &groups ? "groups" : "identities";
    said.append(": nothing identifies clients (there is no `identity:`), so ");
    said.append(whose).append("\" matches nobody");
    warnings.push_back({words->front().place, std::move(said)});
    return;
  }
}

// A request that is forwarded has no TLS to require.
void warn_of_methods_without_tls(const policy::RuleSpec& rule, Faults& warnings) {
  if (!rule.allow || rule.tls != policy::TlsCheck::kRequired || rule.methods.empty()) return;
  const auto tunnels = [](const Located<std::string>& word) { return word.value == "CONNECT"; };
  if (std::ranges::any_of(rule.methods, tunnels)) return;
  warnings.push_back({rule.methods.front().place,
                      "methods: rule \"" + rule.name +
                          "\" requires TLS and is for no CONNECT, so it refuses all that it "
                          "matches"});
}

bool is_loopback(const IpAddress& address) {
  const policy::AddressClass kind = policy::classify(address);
  return kind == policy::AddressClass::kLoopback;
}

// Whoever is on the way can read them, and use them as long as they are good.
void warn_of_plain_credentials(Config& config) {
  const auto takes = [](const identity::ProviderSpec& spec) {
    if (spec.kind == identity::Provider::kAuthorizer) {
      return spec.credentials != std::vector{identity::Asked::kNone};
    }
    return spec.kind == identity::Provider::kBasic || spec.kind == identity::Provider::kJwt;
  };
  const auto provider = std::ranges::find_if(config.identity_specs, takes);
  if (provider == config.identity_specs.end()) return;
  const std::string key(identity::provider_word(provider->kind));
  for (const Listener& listener : config.listeners) {
    if (listener.tls || is_loopback(listener.address.address)) continue;
    config.warnings.push_back({listener.place, "listeners: " + listener.address.text() +
                                                   " is not encrypted, and " + key +
                                                   " credentials cross it in the clear"});
  }
}

void warn_of_quotas(Config& config) {
  const admission::QuotaSpec* for_all = nullptr;
  for (const admission::QuotaSpec& quota : config.quota_specs) {
    warn_of_names(config, quota.identities, quota.groups, "quota \"" + quota.name, config.warnings);
    if (for_all != nullptr) {
      config.warnings.push_back({quota.place, "quotas: \"" + quota.name +
                                                  "\" is never reached: everybody falls under \"" +
                                                  for_all->name + "\" before it"});
    } else if (quota.clients.empty() && quota.identities.empty() && quota.groups.empty()) {
      for_all = &quota;
    }
  }
  if (for_all != nullptr && config.limits.tunnels_per_client != 0) {
    config.warnings.push_back(
        {for_all->place, "quotas: everybody falls under \"" + for_all->name +
                             "\", so limits.tunnels_per_client limits nobody"});
  }
}

void check_listeners(const Node& root, const Config& config, Faults& faults) {
  std::unordered_map<Endpoint, int> lines;
  for (const Listener& listener : config.listeners) {
    const Endpoint& address = listener.address;
    if (address.port == 0) continue;  // any free port: two of them are two listeners
    const auto [first, fresh] = lines.try_emplace(address, listener.place.line);
    if (fresh) continue;
    faults.push_back({listener.place, "listeners: " + address.text() +
                                          " is listed twice; the first is on line " +
                                          std::to_string(first->second)});
  }
  if (config.admin && lines.contains(*config.admin)) {
    faults.push_back({place_of(root, "admin", "address"),
                      "admin.address: " + config.admin->text() +
                          " is the address of a listener; the admin needs one of its own"});
  }
}

void check_times(const Node& root, const Config& config, Faults& faults) {
  const Timeouts& timeouts = config.timeouts;
  if (timeouts.dial != Duration::zero() && timeouts.attempt > timeouts.dial) {
    faults.push_back({place_of_either(root, "timeouts", "attempt", "dial"),
                      "timeouts.attempt: " + duration_text(timeouts.attempt) +
                          " is longer than timeouts.dial (" + duration_text(timeouts.dial) +
                          "); a second address would never be tried"});
  }
  const auto& breaker = config.breaker;
  if (breaker.pause > breaker.pause_max) {
    faults.push_back({place_of_either(root, "breaker", "pause", "pause_max"),
                      "breaker.pause: " + duration_text(breaker.pause) +
                          " is longer than breaker.pause_max (" + duration_text(breaker.pause_max) +
                          ")"});
  }
  const Dns& dns = config.dns;
  if (dns.min_ttl > dns.max_ttl) {
    faults.push_back({place_of_either(root, "dns", "min_ttl", "max_ttl"),
                      "dns.min_ttl: " + duration_text(dns.min_ttl) +
                          " is longer than dns.max_ttl (" + duration_text(dns.max_ttl) + ")"});
  }
}

void check_inspection(const Config& config, Faults& faults) {
  if (config.inspection) return;
  for (const policy::RuleSpec& rule : config.policy.rules) {
    if (!rule.inspect) continue;
    faults.push_back({rule.inspect->place,
                      "inspect: rule \"" + rule.name +
                          "\" reads tunnels, which takes a CA of yours, and there is none; make "
                          "one with `penstock ca init` and name its files: inspection: {ca: "
                          "/etc/penstock/ca.pem, key: /etc/penstock/ca.key}"});
    return;
  }
}

// Whoever wrote a name meant a service; a rule without it would let pass unread what was to be
// read.
void check_icap(const Config& config, Faults& faults) {
  std::string names;
  for (const auto& service : config.icap) names += (names.empty() ? "" : ", ") + service->name;
  const auto check = [&](const Located<std::string>& named, const std::string& key) {
    if (named.place.line == 0) return;
    if (icap::find_service(config.icap, named.value) < config.icap.size()) return;
    faults.push_back(
        {named.place,
         "inspect.icap." + key + ": \"" + named.value +
             (names.empty() ? "\" is no service, and there are none; write for example "
                              "icap: {services: [{name: scan, url: "
                              "\"icap://127.0.0.1:1344/avscan\"}]}"
                            : "\" is no service; there are: " + names)});
  };
  for (const policy::RuleSpec& rule : config.policy.rules) {
    if (!rule.inspect) continue;
    check(rule.inspect->icap_request, "request");
    check(rule.inspect->icap_response, "response");
  }
}

void warn_of_icap(Config& config) {
  for (const auto& service : config.icap) {
    const auto uses = [&service](const policy::RuleSpec& rule) {
      return rule.inspect && (rule.inspect->icap_request.value == service->name ||
                              rule.inspect->icap_response.value == service->name);
    };
    if (std::ranges::none_of(config.policy.rules, uses)) {
      config.warnings.push_back({service->place, "icap.services: no rule names \"" + service->name +
                                                     "\", so nothing is shown to it"});
    }
    const auto& literal = service->authority.literal;
    if (!literal || is_loopback(*literal)) continue;
    config.warnings.push_back(
        {service->place, "icap.services: what is inspected goes to \"" + service->name + "\" (" +
                             service->authority.text() +
                             ") in the clear; keep the way to it as safe as this machine"});
  }
}

void warn_of_inspection(const Node& root, Config& config) {
  Faults& warnings = config.warnings;
  bool used = false;
  for (const policy::RuleSpec& rule : config.policy.rules) {
    if (!rule.inspect) continue;
    used = true;
    if (rule.tls != policy::TlsCheck::kChecked) continue;
    warnings.push_back({rule.inspect->place,
                        "inspect: rule \"" + rule.name +
                            "\" lets pass unread what does not begin like TLS (tls: checked); "
                            "with tls: required, or without tls, it would be refused"});
  }
  if (!config.inspection) return;
  if (!used) {
    warnings.push_back({place_of(root, "inspection", "ca"),
                        "inspection: no rule says `inspect`, so nothing is read"});
  }
  if (!config.inspection->key_log.value.empty()) {
    warnings.push_back({config.inspection->key_log.place,
                        "inspection.key_log: THE KEYS OF EVERY INSPECTED TUNNEL ARE WRITTEN TO " +
                            config.inspection->key_log.value +
                            "; whoever reads that file reads the traffic. For debugging alone: "
                            "remove it"});
  }
}

}  // namespace

void check_together(const Node& root, const Config& config, Faults& faults) {
  check_listeners(root, config, faults);
  check_times(root, config, faults);
  check_inspection(config, faults);
  check_icap(config, faults);
}

void warn(const Node& root, Config& config) {
  Faults& warnings = config.warnings;
  if (config.policy.rules.empty()) {
    warnings.push_back({place_of(root, "policy", "rules"),
                        "policy.rules: no rules: every tunnel will be refused"});
  }
  if (config.policy.mode == policy::Mode::kReport) {
    warnings.push_back({place_of(root, "policy", "mode"),
                        "policy.mode: report refuses nothing that is public; it only logs what "
                        "enforce would refuse"});
  }
  for (const policy::RuleSpec& rule : config.policy.rules) {
    warn_of_names(config, rule.identities, rule.groups, "rule \"" + rule.name, warnings);
    warn_of_methods_without_tls(rule, warnings);
  }
  warn_of_inspection(root, config);
  warn_of_icap(config);
  warn_of_quotas(config);
  warn_of_plain_credentials(config);
  if (config.timeouts.head == Duration::zero()) {
    warnings.push_back({place_of(root, "timeouts", "head"),
                        "timeouts.head: 0s lets a client hold a connection for ever without "
                        "asking for anything"});
  }
}

}  // namespace penstock::config
