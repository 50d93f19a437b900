#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "cli/commands.h"
#include "cli/configuration.h"
#include "config/scalars.h"
#include "dns/blocking_resolver.h"
#include "http/edit.h"
#include "http/structured.h"
#include "policy/inspection.h"
#include "sys/process.h"

namespace penstock::cli {
namespace {

// A request inside the tunnel that is asked about. It has no body.
struct Inside {
  std::string method;
  std::string path;    // without its query
  std::string fields;  // lines
};

// Everything that the proxy would find out about one request, short of dialling.
struct Findings {
  std::string identity;  // empty: nobody
  std::vector<std::string> groups;
  http::Authority target;
  policy::Decision decision;
  const admission::Quota* quota;  // null: none
  std::optional<Error> error;     // why there would be no tunnel
  std::vector<policy::JudgedAddress> addresses;
  const policy::Inspection* inspection = nullptr;  // null: the tunnel would not be inspected
  bool excepted = false;                           // nor would this one, with `inspection`
  std::optional<policy::RequestVerdict> request;   // on Inside; none: the proxy would not see it

  // As in the log: what the policy says, whether or not a tunnel would come of it.
  std::string_view verdict() const {
    return error && error->facts().side == Side::kPolicy ? "denied" : "allowed";
  }
};

Result<std::vector<IpAddress>> resolve(const config::Config& config,
                                       const http::Authority& target) {
  dns::BlockingResolver resolver(config.dns, config.dial.family);
  auto answer = resolver.resolve(target.host, dns::Wanted::kComplete, config.timeouts.resolve);
  if (!answer) return std::unexpected(answer.error());
  return std::move(answer->addresses);
}

policy::Surroundings surroundings_of(const config::Config& config) {
  policy::Surroundings out;
  for (const auto& listener : config.listeners) out.listeners.push_back(listener.address);
  if (config.admin) out.listeners.push_back(*config.admin);
  out.addresses = sys::interface_addresses().value_or(std::vector<IpAddress>{});
  return out;
}

// Whether the tunnel would be read, and what would become of a request in it.
void look_inside(const config::Config& config, const Inside* inside, Findings& out) {
  if (out.decision.rule == nullptr) return;
  out.inspection = out.decision.rule->inspect.get();
  if (out.inspection == nullptr) return;
  out.excepted = !out.inspection->reads(out.target);
  if (out.excepted || inside == nullptr) return;
  out.request = out.inspection->verdict(
      out.target,
      {.method = inside->method, .path = inside->path, .fields = inside->fields, .body_bytes = 0});
  if (out.request->passes()) return;
  if (config.rules->mode() == policy::Mode::kReport) {
    out.decision.would_deny = true;
  } else if (!out.error) {
    out.error = Error{Code::kRequestDenied};
  }
}

Findings find_out(const config::Config& config, const policy::Asker& asker,
                  const http::Authority& target) {
  Findings out{.identity = std::string(asker.identity),
               .groups = {asker.groups.begin(), asker.groups.end()},
               .target = target,
               .decision = config.rules->judge_name(asker, target),
               .quota = config.quotas->find(asker),
               .error = {},
               .addresses = {},
               .request = {}};
  if (!out.decision.allowed) {
    out.error = Error{out.decision.why};
    return out;
  }
  // A parent looks names up by itself.
  if (out.decision.rule && !out.decision.rule->via.empty() && !target.literal) return out;
  const auto addresses = resolve(config, target);
  if (!addresses) {
    out.error = addresses.error();
    return out;
  }
  const auto surroundings = surroundings_of(config);
  Code why = Code::kAddressDenied;
  const auto routes = config.rules->judge_addresses(out.decision, asker, target, *addresses,
                                                    surroundings, &why, &out.decision.would_deny);
  out.addresses =
      config.rules->explain_addresses(out.decision, asker, target, *addresses, surroundings);
  if (routes.empty()) out.error = Error{why};
  return out;
}

std::string place_of(const config::Config& config, const Place& place) {
  if (config.file.empty()) return "built in";
  if (place.line == 0) return config.file;
  return fmt::format("{}:{}:{}", config.file, place.line, place.column);
}

std::string_view word(policy::TlsCheck check) {
  switch (check) {
    case policy::TlsCheck::kRequired: return "required";
    case policy::TlsCheck::kChecked: return "checked";
    case policy::TlsCheck::kIgnored: return "ignored";
  }
  return "checked";
}

std::string_view word(policy::EchCheck check) {
  return check == policy::EchCheck::kAllow ? "allow" : "deny";
}

std::string_view word(policy::Announce announce) {
  switch (announce) {
    case policy::Announce::kNothing: return "off";
    case policy::Announce::kV1: return "v1";
    case policy::Announce::kV2: return "v2";
  }
  return "off";
}

std::string_view word(policy::OriginFaults faults) {
  return faults == policy::OriginFaults::kMimic ? "mimic" : "refuse";
}

std::string_view word(policy::OtherProtocols other) {
  return other == policy::OtherProtocols::kRefuse ? "refuse" : "tunnel";
}

std::string on_pinned(const policy::Inspection& inspection) {
  if (inspection.tunnel_pinned_after == 0) return "report";
  return fmt::format("tunnel_after {}", inspection.tunnel_pinned_after);
}

std::string_view sentence(policy::RequestVerdict::Why why) {
  using Why = policy::RequestVerdict::Why;
  switch (why) {
    case Why::kNothingDenied: return "no item of deny matches, and there is no allow";
    case Why::kAllowed: return "an item of allow matches";
    case Why::kDenied: return "an item of deny matches";
    case Why::kNoneAllows: return "no item of allow matches";
    case Why::kPath:
      return "the path means different things to different servers, so any deny holds and no allow";
  }
  return "";
}

std::string_view word(admission::Each each) {
  switch (each) {
    case admission::Each::kClient: return "client";
    case admission::Each::kIdentity: return "identity";
    case admission::Each::kQuota: return "quota";
  }
  return "client";
}

// Without their credentials.
std::vector<std::string> parents_of(const policy::RuleFacts& rule) {
  std::vector<std::string> out;
  out.reserve(rule.via.size());
  for (const auto& parent : rule.via) out.push_back(parent.text());
  return out;
}

// As the file has them: "tunnels: 100, setups: 50/s".
std::string text_of(const admission::QuotaLimits& limits) {
  std::string out;
  const auto add = [&](std::string_view key, const std::string& value) {
    out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", key, value);
  };
  if (limits.tunnels != 0) add("tunnels", std::to_string(limits.tunnels));
  if (limits.setups) {
    add("setups", std::to_string(limits.setups.count) + config::per_text(limits.setups.per));
    if (limits.burst != limits.setups.count) add("burst", std::to_string(limits.burst));
  }
  if (limits.bytes) {
    add("bytes", config::size_text(limits.bytes.count) + config::per_text(limits.bytes.per));
  }
  if (limits.bytes_end_tunnels) add("bytes_end_tunnels", "true");
  if (limits.bandwidth != 0) add("bandwidth", config::size_text(limits.bandwidth) + "/s");
  return out;
}

nlohmann::ordered_json inspection_json(const Findings& found) {
  if (found.inspection == nullptr) return nullptr;
  auto sets = nlohmann::ordered_json::array();
  for (const auto& field : found.inspection->edits.set) sets.push_back(field.name);
  return {{"read", !found.excepted},
          {"why", found.excepted ? "excepted" : ""},
          {"origin_faults", word(found.inspection->origin_faults)},
          {"other", word(found.inspection->other)},
          {"on_pinned", on_pinned(*found.inspection)},
          {"origin_keys", found.inspection->origin_keys.size()},
          {"icap",
           {{"request", found.inspection->icap_request},
            {"response", found.inspection->icap_response}}},
          {"sets", std::move(sets)},
          {"removes", found.inspection->edits.removed}};
}

nlohmann::ordered_json request_json(const config::Config& config, const Findings& found,
                                    const Inside* inside) {
  if (inside == nullptr) return nullptr;
  nlohmann::ordered_json out = {{"method", inside->method}, {"path", inside->path}};
  out["verdict"] = !found.request ? "unseen" : found.request->passes() ? "allowed" : "denied";
  out["why"] = found.request ? sentence(found.request->why) : "the tunnel is not read";
  const bool by_item = found.request && found.request->place.line != 0;
  out["place"] = by_item ? place_of(config, found.request->place) : "";
  return out;
}

nlohmann::ordered_json as_json(const config::Config& config, const Findings& found,
                               const Inside* inside) {
  nlohmann::ordered_json out;
  out["authority"] = found.target.text();
  out["identity"] = found.identity;
  out["groups"] = found.groups;
  out["verdict"] = found.verdict();
  out["would_deny"] = found.decision.would_deny;
  out["error"] = found.error ? found.error->facts().word : "";
  out["status"] = found.error ? found.error->facts().status : 200;
  out["rule"] = nullptr;
  if (const auto* rule = found.decision.rule) {
    out["rule"] = {{"name", rule->name},       {"place", place_of(config, rule->place)},
                   {"tls", word(rule->tls)},   {"ech", word(rule->ech)},
                   {"via", parents_of(*rule)}, {"proxy_protocol", word(rule->announce)}};
  }
  out["inspect"] = inspection_json(found);
  out["request"] = request_json(config, found, inside);
  out["quota"] = nullptr;
  if (const auto* quota = found.quota) {
    out["quota"] = {{"name", quota->name},
                    {"place", place_of(config, quota->place)},
                    {"each", word(quota->each)},
                    {"limits", text_of(quota->limits)}};
  }
  out["addresses"] = nlohmann::ordered_json::array();
  for (const auto& judged : found.addresses) {
    out["addresses"].push_back({{"address", judged.address.text()},
                                {"class", policy::class_word(judged.address_class)},
                                {"verdict", judged.refused ? "denied" : "allowed"},
                                {"error", judged.refused ? facts(*judged.refused).word : ""}});
  }
  return out;
}

void print_icap(const config::Config& config, std::string_view what, const std::string& name) {
  const size_t place = icap::find_service(config.icap, name);
  if (place == config.icap.size()) return;
  const icap::Service& service = *config.icap[place];
  fmt::print("  icap      {} go to {} ({}); on_failure: {}\n", what, name, service.uri(),
             service.on_failure == icap::OnFailure::kBypass ? "bypass" : "refuse");
}

void print_inspection(const config::Config& config, const Findings& found, const Inside* inside) {
  if (found.inspection != nullptr && found.excepted) {
    fmt::print("  inspect   not read: the host is among the exceptions\n");
  } else if (found.inspection != nullptr) {
    fmt::print("  inspect   read; origin_faults: {}, other: {}, on_pinned: {}\n",
               word(found.inspection->origin_faults), word(found.inspection->other),
               on_pinned(*found.inspection));
    if (const size_t keys = found.inspection->origin_keys.size(); keys != 0) {
      fmt::print("            the origin has to have {} in origin_keys\n",
                 keys == 1 ? "the key" : fmt::format("one of the {} keys", keys));
    }
    print_icap(config, "requests", found.inspection->icap_request);
    print_icap(config, "answers", found.inspection->icap_response);
  }
  if (inside == nullptr) return;
  fmt::print("  request   {} {}  ", inside->method, inside->path);
  if (!found.request) {
    fmt::print("not seen: the tunnel is not read\n");
    return;
  }
  const bool by_item = found.request->place.line != 0;
  fmt::print("{}: {}{}\n", found.request->passes() ? "allowed" : "denied",
             sentence(found.request->why),
             by_item ? fmt::format(" ({})", place_of(config, found.request->place)) : "");
}

void print(const config::Config& config, const Findings& found, const Inside* inside) {
  fmt::print("{}  {}\n", found.target.text(), found.verdict());
  if (!found.identity.empty()) {
    const std::string groups = fmt::format("{}", fmt::join(found.groups, ", "));
    fmt::print("  identity  {}{}\n", found.identity, groups.empty() ? "" : " in " + groups);
  }
  if (const auto* rule = found.decision.rule) {
    fmt::print("  rule      {} ({})\n", rule->name, place_of(config, rule->place));
    if (const auto parents = parents_of(*rule); !parents.empty()) {
      fmt::print("  via       {}\n", fmt::join(parents, ", then "));
    }
    if (rule->allow) fmt::print("  checks    tls: {}, ech: {}\n", word(rule->tls), word(rule->ech));
    if (rule->announce != policy::Announce::kNothing) {
      fmt::print("  announces who the client is, by PROXY protocol {}\n", word(rule->announce));
    }
  } else {
    fmt::print("  rule      none matches; what no rule allows is refused\n");
  }
  print_inspection(config, found, inside);
  if (found.decision.would_deny)
    fmt::print("  mode      report: enforcing, this would be refused\n");
  if (const auto* quota = found.quota) {
    fmt::print("  quota     {} ({}): {}, each {}\n", quota->name, place_of(config, quota->place),
               text_of(quota->limits), word(quota->each));
  }
  for (const auto& judged : found.addresses) {
    fmt::print(
        "  address   {}  {}  {}\n", judged.address.text(), policy::class_word(judged.address_class),
        judged.refused ? fmt::format("denied ({})", facts(*judged.refused).word) : "allowed");
  }
  if (!found.error) return;
  fmt::print("  because   {} ({})\n", found.error->facts().sentence, found.error->facts().word);
  fmt::print("  client    is told {}\n", found.error->facts().status);
}

// Who is named; else who it is by his address, and that name is the configuration's.
policy::Asker asker_of(const config::Config& config, const ExplainOptions& options,
                       const IpAddress& client) {
  const std::string_view method =
      options.path ? policy::Asker::kTunnel : std::string_view(options.method);
  if (!options.identity.empty()) return {client, options.identity, options.groups, method};
  const auto who = config.identity ? config.identity->opinion({client}).who : nullptr;
  if (!who) return {.client = client, .method = method};
  return {client, who->name, who->groups, method};
}

// What --path and --header say; none, and a message, where that is no request.
std::optional<Inside> read_inside(const ExplainOptions& options) {
  const std::string_view path = *options.path;
  Inside out{options.method == policy::Asker::kTunnel ? "GET" : options.method,
             std::string(path.substr(0, path.find('?'))),
             {}};
  if (!path.starts_with('/') && path != "*") {
    fmt::print(stderr, "--path: \"{}\" does not begin with \"/\"; write for example /v1/users\n",
               path);
    return std::nullopt;
  }
  for (const std::string& header : options.headers) {
    const size_t colon = header.find(':');
    const std::string_view name = std::string_view(header).substr(0, colon);
    const std::string_view value =
        colon == header.npos ? "" : http::trim(std::string_view(header).substr(colon + 1));
    if (!http::is_token(name) || !http::is_field_value(value)) {
      fmt::print(stderr, "--header: \"{}\" is no field; write for example \"Accept: text/html\"\n",
                 header);
      return std::nullopt;
    }
    out.fields += fmt::format("{}: {}\r\n", name, value);
  }
  return out;
}

}  // namespace

int explain(const ExplainOptions& options) {
  const auto config = load_or_defaults(options.config);
  if (!config) return kUsage;
  const auto client = IpAddress::parse(options.client);
  if (!client) {
    fmt::print(stderr, "--client: \"{}\" is no IP address; write 10.20.0.7 or fd00::7\n",
               options.client);
    return kUsage;
  }
  const auto target = http::parse_authority(options.target);
  if (!target) {
    fmt::print(stderr, "\"{}\": {} ({})\n", options.target, target.error().facts().sentence,
               target.error().facts().word);
    return kUsage;
  }
  const auto request = options.path ? read_inside(options) : std::nullopt;
  if (options.path && !request) return kUsage;
  const Inside* const inside = request ? &*request : nullptr;
  Findings found = find_out(**config, asker_of(**config, options, *client), *target);
  look_inside(**config, inside, found);
  if (options.json) {
    fmt::print("{}\n", as_json(**config, found, inside).dump(2));
  } else {
    print(**config, found, inside);
  }
  return found.error ? kFailed : kDone;
}

}  // namespace penstock::cli
