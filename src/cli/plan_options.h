// Reads what was written behind `penstock plan`. The error is one sentence: what was found and what
// would be right. Pure, but for files of recorded times.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.h"
#include "cli/capacity.h"
#include "cli/commands.h"
#include "plan/compare.h"
#include "plan/incident.h"
#include "plan/plan.h"

namespace penstock::cli {

struct PlanRequest {
  plan::Demand demand;
  plan::Goal goal;
  plan::Instance limits;
  // What nobody said and was taken to be so: "--cpu-per-connect 80us".
  std::vector<std::string> assumed;
  // Of --from: what there is, and what it has measured. `limits` is complete then.
  std::optional<Endpoint> from;
  Capacity measured;

  std::optional<plan::Experiment> experiment;
  std::string plot;  // SVG file; empty: none
  bool json = false;
};

// The admin listener that --from names; empty: there is no --from.
std::expected<std::optional<Endpoint>, std::string> read_from(const PlanOptions& written);

// `measured` fills in what is not written; without --from it is empty.
std::expected<PlanRequest, std::string> read(const PlanOptions& written,
                                             const std::optional<Capacity>& measured = {});

struct IncidentRequest {
  plan::Incident incident;
  std::string plot;
  bool json = false;
};

// With --incident.
std::expected<IncidentRequest, std::string> read_incident(const PlanOptions& written);

}  // namespace penstock::cli
