#include "policy/rules.h"

#include <algorithm>

#include "base/check.h"
#include "policy/compile.h"
#include "policy/prefix_set.h"
#include "policy/rule_index.h"

namespace penstock::policy {
namespace {

AddressClass classify_here(const IpAddress& address, const Surroundings& surroundings) {
  const AddressClass known = classify(address);
  if (known != AddressClass::kPublic) return known;
  const bool own =
      std::ranges::find(surroundings.addresses, address) != surroundings.addresses.end();
  return own ? AddressClass::kOwn : AddressClass::kPublic;
}

// Whether a connection to `address` ends at `listener`. Generous where the kernel is: 0.0.0.0 and
// :: lead to loopback, and a wildcard listener answers on every own address of either family.
bool reaches(const IpAddress& address, const IpAddress& listener,
             const Surroundings& surroundings) {
  if (address == listener) return true;
  const AddressClass to = classify(address);
  const AddressClass at = classify(listener);
  if (at == AddressClass::kUnspecified) {
    return to == AddressClass::kLoopback || to == AddressClass::kUnspecified ||
           std::ranges::find(surroundings.addresses, address) != surroundings.addresses.end();
  }
  return to == AddressClass::kUnspecified && at == AddressClass::kLoopback;
}

// An address that carries others stands for all of them: [::ffff:127.0.0.1] is 127.0.0.1.
std::vector<IpAddress> faces_of(const IpAddress& address) {
  const EmbeddedV4 inner = embedded_v4(address);
  std::vector<IpAddress> out{address};
  out.insert(out.end(), inner.begin(), inner.end());
  return out;
}

bool is_loop(std::span<const IpAddress> faces, uint16_t port, const Surroundings& surroundings) {
  for (const Endpoint& listener : surroundings.listeners) {
    if (listener.port != port) continue;
    for (const IpAddress& bound : faces_of(listener.address)) {
      for (const IpAddress& face : faces) {
        if (reaches(face, bound, surroundings)) return true;
      }
    }
  }
  return false;
}

}  // namespace

bool leads_here(const Endpoint& to, const Surroundings& surroundings) {
  return is_loop(faces_of(to.address), to.port, surroundings);
}

struct Rules::Compiled {
  Compiled(const Spec& spec, std::span<const ParsedRule> parsed);

  JudgedAddress judge(const Decision& decision, const Asker& asker, const http::Authority& target,
                      const IpAddress& address, const Surroundings& surroundings) const;
  bool passes(const Decision& decision, const Asker& asker, const http::Authority& target,
              std::span<const IpAddress> faces, const Surroundings& surroundings) const;
  bool opens(const Decision& decision, const http::Authority& target, const IpAddress& face) const;
  // The `addresses` of the rule that decided; null: it has none.
  const PrefixSet* addresses_of(const Decision& decision) const;

  Mode mode;
  std::vector<RuleFacts> facts;
  std::vector<std::unique_ptr<PrefixSet>> addresses;  // by rule; null: public addresses only
  RuleIndex index;
};

Rules::Compiled::Compiled(const Spec& spec, std::span<const ParsedRule> parsed)
    : mode(spec.mode), index(parsed) {
  facts.reserve(spec.rules.size());
  addresses.reserve(spec.rules.size());
  for (size_t i = 0; i < parsed.size(); ++i) {
    const RuleSpec& rule = spec.rules[i];
    facts.push_back({rule.name, rule.allow, rule.tls, rule.ech, rule.announce, rule.place,
                     parsed[i].via, parsed[i].inspect});
  }
  for (const ParsedRule& rule : parsed) {
    addresses.push_back(rule.addresses.empty() ? nullptr
                                               : std::make_unique<PrefixSet>(rule.addresses));
  }
}

std::expected<Rules, Faults> Rules::compile(const Spec& spec) {
  const auto parsed = parse_rules(spec);
  if (!parsed) return std::unexpected(parsed.error());
  return Rules(std::make_unique<Compiled>(spec, *parsed));
}

Rules::Rules(std::unique_ptr<Compiled> compiled) : compiled_(std::move(compiled)) {}
Rules::Rules(Rules&&) noexcept = default;
Rules& Rules::operator=(Rules&&) noexcept = default;
Rules::~Rules() = default;

Mode Rules::mode() const {
  return compiled_->mode;
}
size_t Rules::size() const {
  return compiled_->facts.size();
}

Decision Rules::judge_name(const Asker& asker, const http::Authority& target) const {
  Decision out;
  out.rule_index = compiled_->index.first_match(as_written(asker), target);
  if (out.rule_index != RuleIndex::kNone) {
    out.rule = &compiled_->facts[out.rule_index];
    out.allowed = out.rule->allow;
    // What is forwarded is read by everybody on the way.
    if (out.allowed && asker.plain() && out.rule->tls == TlsCheck::kRequired) {
      out.allowed = false;
      out.why = Code::kPlainDenied;
    }
  }
  if (!out.allowed && compiled_->mode == Mode::kReport) out.allowed = out.would_deny = true;
  return out;
}

const PrefixSet* Rules::Compiled::addresses_of(const Decision& decision) const {
  return decision.rule ? addresses[decision.rule_index].get() : nullptr;
}

// Whether the rule that decided opens this address on purpose, whatever its class.
bool Rules::Compiled::opens(const Decision& decision, const http::Authority& target,
                            const IpAddress& face) const {
  if (!decision.rule || !decision.rule->allow) return false;
  if (target.literal && index.names_address(decision.rule_index, face, target.port)) return true;
  const PrefixSet* opened = addresses_of(decision);
  return opened && opened->contains(face);
}

// What enforce mode says. faces[0] is the address itself, the rest hide in it.
bool Rules::Compiled::passes(const Decision& decision, const Asker& asker,
                             const http::Authority& target, std::span<const IpAddress> faces,
                             const Surroundings& surroundings) const {
  if (decision.would_deny) return false;
  // `deny` on an address holds for every name that leads there, in every disguise; otherwise an
  // attacker registers a name for it.
  for (const IpAddress& face : faces) {
    if (index.denied(asker, face, target.port, decision.rule_index)) return false;
  }
  const auto is_public = [&](const IpAddress& face) {
    return classify_here(face, surroundings) == AddressClass::kPublic;
  };
  if (opens(decision, target, faces[0])) {
    return std::ranges::all_of(faces.subspan(1), [&](const IpAddress& inner) {
      return is_public(inner) || opens(decision, target, inner);
    });
  }
  return !addresses_of(decision) && is_public(faces[0]);
}

JudgedAddress Rules::Compiled::judge(const Decision& decision, const Asker& asker,
                                     const http::Authority& target, const IpAddress& address,
                                     const Surroundings& surroundings) const {
  PENSTOCK_CHECK(!decision.rule || (decision.rule_index < facts.size() &&
                                    decision.rule == &facts[decision.rule_index]));
  JudgedAddress out{address, classify_here(address, surroundings), std::nullopt};
  const std::vector<IpAddress> faces = faces_of(address);
  if (is_loop(faces, target.port, surroundings)) {
    out.refused = Code::kLoop;
  } else if (!decision.allowed) {
    out.refused = Code::kNameDenied;
  } else if (target.literal && *target.literal != address) {
    // Who names an address is taken there and nowhere else.
    out.refused = Code::kAddressDenied;
  } else if (!passes(decision, asker, target, faces, surroundings)) {
    out.would_deny = mode == Mode::kReport && out.address_class == AddressClass::kPublic;
    if (!out.would_deny) out.refused = Code::kAddressDenied;
  }
  return out;
}

std::vector<JudgedAddress> Rules::explain_addresses(const Decision& decision, const Asker& asker,
                                                    const http::Authority& target,
                                                    std::span<const IpAddress> addresses,
                                                    const Surroundings& surroundings) const {
  const Asker written = as_written(asker);
  std::vector<JudgedAddress> out;
  out.reserve(addresses.size());
  for (const IpAddress& address : addresses) {
    out.push_back(compiled_->judge(decision, written, target, address, surroundings));
  }
  return out;
}

std::vector<Route> Rules::judge_addresses(const Decision& decision, const Asker& asker,
                                          const http::Authority& target,
                                          std::span<const IpAddress> addresses,
                                          const Surroundings& surroundings, Code* why,
                                          bool* would_deny) const {
  std::vector<Route> out;
  bool only_in_report = false;
  Code refusal = decision.allowed ? Code::kAddressDenied : Code::kNameDenied;
  for (const JudgedAddress& judged :
       explain_addresses(decision, asker, target, addresses, surroundings)) {
    if (!judged.refused) {
      out.push_back(Route(Endpoint{judged.address, target.port}));
      only_in_report = only_in_report || judged.would_deny;
    } else if (*judged.refused == Code::kLoop) {
      refusal = Code::kLoop;
    }
  }
  if (why && out.empty()) *why = refusal;
  if (would_deny) *would_deny = only_in_report;
  return out;
}

std::vector<Route> Rules::routes_to_parent(const Decision& decision, uint16_t port,
                                           std::span<const IpAddress> addresses,
                                           const Surroundings& surroundings) const {
  PENSTOCK_CHECK(decision.allowed && decision.rule && !decision.rule->via.empty());
  return routes_to_service(port, addresses, surroundings);
}

std::vector<Route> Rules::routes_to_service(uint16_t port, std::span<const IpAddress> addresses,
                                            const Surroundings& surroundings) {
  std::vector<Route> out;
  for (const IpAddress& address : addresses) {
    if (is_loop(faces_of(address), port, surroundings)) continue;
    out.push_back(Route(Endpoint{address, port}));
  }
  return out;
}

}  // namespace penstock::policy
