#include "bump/inspector.h"

#include <algorithm>
#include <utility>

namespace penstock::bump {
namespace {

// Those that rules have for origins.
std::vector<config::Certificate> certificates_of(const policy::Spec& policy) {
  std::vector<config::Certificate> out;
  for (const policy::RuleSpec& rule : policy.rules) {
    if (!rule.inspect || rule.inspect->certificate.value.empty()) continue;
    out.push_back({rule.inspect->certificate, rule.inspect->key, {}});
  }
  return out;
}

bool any_inspects(const policy::Spec& policy) {
  return std::ranges::any_of(policy.rules,
                             [](const policy::RuleSpec& rule) { return rule.inspect != nullptr; });
}

}  // namespace

std::expected<InspectorPtr, Faults> open_inspector(const config::Config& config,
                                                   std::shared_ptr<Pinned> pinned,
                                                   Faults* warnings) {
  if (!config.inspection || !any_inspects(config.policy)) return nullptr;
  Faults faults;
  Faults suspicions;
  auto out = std::make_shared<Inspector>();
  out->pinned = std::move(pinned);
  const config::Inspection& settings = *config.inspection;
  const auto log =
      settings.key_log.value.empty() ? nullptr : KeyLog::open(settings.key_log, faults);
  out->clients = std::make_shared<const Clients>(log);
  out->origins = Origins::open(settings, certificates_of(config.policy), log, faults, suspicions);
  auto mint = Mint::open(settings, &suspicions);
  if (mint) {
    out->mint = std::move(*mint);
  } else {
    faults.insert(faults.end(), mint.error().begin(), mint.error().end());
  }
  if (!faults.empty()) return std::unexpected(std::move(faults));
  if (warnings) warnings->insert(warnings->end(), suspicions.begin(), suspicions.end());
  return out;
}

}  // namespace penstock::bump
