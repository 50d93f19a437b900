// The compiled policy: immutable, shared by all workers, no allocation to judge a name.
// First match decides; no match is a refusal; internal addresses are closed unless a rule opens
// them on purpose.
// Thread: any, after compile().   Lifetime: Decisions point into the Rules that made them.
// Cost: a few hundred nanoseconds per decision, whatever the number of rules (rules_bench.cpp).
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/fault.h"
#include "http/authority.h"
#include "policy/address_class.h"
#include "policy/decision.h"
#include "policy/inspection_spec.h"

namespace penstock::policy {

// A rule as it was written.
struct RuleSpec {
  Place place;
  std::string name;
  bool allow = true;
  std::vector<Located<std::string>> patterns;    // of `allow:` or `deny:`
  std::vector<Located<std::string>> clients;     // prefixes; empty: any client
  std::vector<Located<std::string>> identities;  // names, '*' as a glob; empty: anybody
  std::vector<Located<std::string>> groups;      // the same
  std::vector<Located<std::string>> methods;     // "plain": all but CONNECT; empty: any
  std::vector<Located<std::string>> addresses;   // prefixes; empty: public addresses only
  TlsCheck tls = TlsCheck::kChecked;
  EchCheck ech = EchCheck::kDeny;
  Announce announce = Announce::kNothing;
  std::vector<Located<std::string>> via;  // URLs of parents; empty: straight to the destination
  std::shared_ptr<const InspectionSpec> inspect;  // null: its tunnels stay closed
};

struct Spec {
  Mode mode = Mode::kEnforce;
  std::vector<RuleSpec> rules;
};

// What the proxy knows about its own place in the network.
struct Surroundings {
  std::vector<Endpoint> listeners;   // never a destination. 0.0.0.0 or ::: on any own address
  std::vector<IpAddress> addresses;  // of this machine's interfaces
};

// Whether a connection to `to` would end at one of the proxy's own listeners.
bool leads_here(const Endpoint& to, const Surroundings& surroundings);

// One address and what became of it, for `explain` and for the log.
struct JudgedAddress {
  IpAddress address;
  AddressClass address_class;
  std::optional<Code> refused;  // empty: may be dialled
  bool would_deny = false;      // may be dialled only because the mode is `report`
};

class Rules {
 public:
  // Everything that is wrong with `spec`, or the compiled rules.
  static std::expected<Rules, Faults> compile(const Spec& spec);

  Rules(Rules&&) noexcept;
  Rules& operator=(Rules&&) noexcept;
  ~Rules();

  Decision judge_name(const Asker& asker, const http::Authority& target) const;

  // The addresses that `decision`, made by these rules for the same asker and target, lets us dial,
  // in the order given. Empty: every one was refused, and `why` says how (kLoop before anything
  // else). Report mode lets an address pass only if it is public: internal classes stay closed
  // even there unless the rule opens them. `would_deny` (may be null): a route is among them only
  // because the mode is `report`.
  std::vector<Route> judge_addresses(const Decision& decision, const Asker& asker,
                                     const http::Authority& target,
                                     std::span<const IpAddress> addresses,
                                     const Surroundings& surroundings, Code* why,
                                     bool* would_deny = nullptr) const;

  // The addresses of a parent (RuleFacts::via) at `port`. Its owner named it on purpose, so they
  // may be internal; only our own listeners are refused. Empty: they all were.
  std::vector<Route> routes_to_parent(const Decision& decision, uint16_t port,
                                      std::span<const IpAddress> addresses,
                                      const Surroundings& surroundings) const;

  // The addresses of a service that the owner has named, at `port`: the same.
  static std::vector<Route> routes_to_service(uint16_t port, std::span<const IpAddress> addresses,
                                              const Surroundings& surroundings);

  // The same judgement, address by address, for people.
  std::vector<JudgedAddress> explain_addresses(const Decision& decision, const Asker& asker,
                                               const http::Authority& target,
                                               std::span<const IpAddress> addresses,
                                               const Surroundings& surroundings) const;

  // Whether a tunnel opened for `target` may carry what the client sent first. Empty: it may.
  // The caller decides what report mode makes of it.
  static std::optional<Code> judge_hello(const RuleFacts* rule, const http::Authority& target,
                                         const Hello& hello);

  Mode mode() const;
  size_t size() const;

 private:
  struct Compiled;
  explicit Rules(std::unique_ptr<Compiled> compiled);
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace penstock::policy
