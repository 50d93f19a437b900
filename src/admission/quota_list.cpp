#include "admission/quota_list.h"

#include <unordered_map>

namespace penstock::admission {
namespace {

void check_name(const QuotaSpec& spec, std::unordered_map<std::string_view, Place>& first,
                Faults& faults) {
  if (spec.name == QuotaList::kFallback) {
    faults.push_back(
        {spec.place,
         "name: \"" + spec.name + "\" is what the limit of that name is called; write another"});
    return;
  }
  const auto [at, fresh] = first.emplace(spec.name, spec.place);
  if (fresh) return;
  faults.push_back({spec.place, "name: \"" + spec.name + "\" is taken by the quota in line " +
                                    std::to_string(at->second.line) + "; write another"});
}

}  // namespace

std::expected<QuotaList, Faults> QuotaList::compile(const std::vector<QuotaSpec>& specs,
                                                    uint64_t tunnels_per_client) {
  Faults faults;
  QuotaList out;
  std::unordered_map<std::string_view, Place> first;
  out.quotas_.reserve(specs.size() + 1);
  for (const QuotaSpec& spec : specs) {
    check_name(spec, first, faults);
    const auto clients = policy::parse_clients(spec.clients, faults);
    const auto identities = policy::parse_identities(spec.identities, faults);
    const auto groups = policy::parse_groups(spec.groups, faults);
    out.quotas_.push_back(
        {spec.name, spec.place, spec.each, spec.limits, {clients, identities, groups}});
    QuotaLimits& limits = out.quotas_.back().limits;
    if (limits.burst == 0) limits.burst = limits.setups.count;
  }
  if (!faults.empty()) return std::unexpected(std::move(faults));
  if (tunnels_per_client != 0) {
    QuotaLimits limits;
    limits.tunnels = tunnels_per_client;
    out.quotas_.push_back(
        {std::string(kFallback), {}, Each::kClient, limits, policy::Askers({}, {})});
  }
  return out;
}

const Quota* QuotaList::find(const policy::Asker& asker) const {
  const policy::Asker written = policy::as_written(asker);
  for (const Quota& quota : quotas_) {
    if (quota.askers.matches(written)) return &quota;
  }
  return nullptr;
}

}  // namespace penstock::admission
