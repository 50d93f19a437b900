// A plan in its three forms: a table for people, JSON for programs, a picture. Pure.
#pragma once

#include <string>
#include <vector>

#include "cli/plan_options.h"
#include "plan/compare.h"

namespace penstock::cli {

std::string plan_table(const PlanRequest& request, const plan::Sizing& sizing);
std::string comparison_table(const PlanRequest& request,
                             const std::vector<plan::Comparison>& comparisons);
// `comparisons` is empty where nothing was simulated.
std::string plan_json(const PlanRequest& request, const plan::Sizing& sizing,
                      const std::vector<plan::Comparison>& comparisons);
// The wait and what is used of each resource, over the rate (SVG).
std::string plan_plot(const PlanRequest& request, const plan::Sizing& sizing);

}  // namespace penstock::cli
