#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/incident_report.h"
#include "cli/output.h"
#include "cli/plan_options.h"
#include "cli/plan_report.h"

namespace penstock::cli {
namespace {

int complain(const std::string& sentence, int status) {
  fmt::print(stderr, "{}\n", sentence);
  return status;
}

std::string bar(double share, std::string_view what) {
  constexpr int kBar = 30;
  const int done = static_cast<int>(share * kBar);
  return fmt::format("  [{:#<{}}{:.<{}}] {:3.0f} %  {}", "", done, "", kBar - done, 100 * share,
                     what);
}

std::vector<plan::Comparison> play(const PlanRequest& request, const plan::Sizing& sizing) {
  const ProgressLine progress;
  auto out = plan::compare(
      request.demand, request.goal, sizing, *request.experiment,
      [&](plan::System system, double share) { progress.show(bar(share, word(system))); });
  progress.erase();
  return out;
}

int show_incident(const PlanOptions& written) {
  const auto request = read_incident(written);
  if (!request) return complain(request.error(), kUsage);
  File plot;
  if (!open_for_writing("--plot", request->plot, &plot)) return kUsage;
  const plan::Incident& incident = request->incident;
  const ProgressLine progress;
  std::vector<plan::Course> courses;
  courses.reserve(plan::kBulkheads.size());
  for (const plan::Bulkhead bulkhead : plan::kBulkheads) {
    courses.push_back(plan::play(incident, bulkhead,
                                 [&](double share) { progress.show(bar(share, word(bulkhead))); }));
  }
  progress.erase();
  fmt::print("{}", request->json ? incident_json(incident, courses) + "\n"
                                 : incident_table(incident, courses));
  std::fflush(stdout);
  return write("--plot", std::move(plot), incident_plot(incident, courses)) ? kDone : kFailed;
}

const char* advice(plan::Resource resource) {
  switch (resource) {
    case plan::Resource::kWorkers: return "give more --workers or a greater --max-wait";
    case plan::Resource::kPermits: return "give more --pending";
    case plan::Resource::kSeats: return "give a greater --nofile";
    case plan::Resource::kPorts: return "give more --source-addresses";
    case plan::Resource::kMemory: return "give more --memory";
  }
  return "";
}

}  // namespace

int plan(const PlanOptions& written) {
  if (written.incident) return show_incident(written);
  const auto from = read_from(written);
  if (!from) return complain(from.error(), kUsage);
  std::optional<Capacity> measured;
  if (*from) {
    const auto capacity = fetch_capacity(**from);
    if (!capacity) return complain("--from: " + capacity.error(), kFailed);
    measured = *capacity;
  }
  const auto request = read(written, measured);
  if (!request) return complain(request.error(), kUsage);
  File plot;
  if (!open_for_writing("--plot", request->plot, &plot)) return kUsage;

  const auto sizing = measured ? plan::assess(request->demand, request->goal, request->limits, 1)
                               : plan::plan(request->demand, request->goal, request->limits);
  if (!sizing) {
    return complain(fmt::format("{} do not suffice, not even those of {} instances; {}",
                                word(sizing.error()), plan::kInstancesMost, advice(sizing.error())),
                    kFailed);
  }
  std::vector<plan::Comparison> comparisons;
  if (request->experiment) comparisons = play(*request, *sizing);
  if (request->json) {
    fmt::print("{}\n", plan_json(*request, *sizing, comparisons));
  } else {
    fmt::print("{}", plan_table(*request, *sizing));
    if (request->experiment) fmt::print("{}", comparison_table(*request, comparisons));
  }
  std::fflush(stdout);
  if (plot && !write("--plot", std::move(plot), plan_plot(*request, *sizing))) return kFailed;
  return kDone;
}

}  // namespace penstock::cli
