// A plan for programs, and as a picture.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "base/json.h"
#include "cli/plan_report.h"
#include "observe/figures.h"
#include "observe/picture.h"

namespace penstock::cli {
namespace {

using observe::Chart;
using plan::Reach;
using plan::Resource;
using plan::Sizing;

void add_demand(JsonWriter& json, const plan::Demand& demand) {
  json.key("demand").begin_object();
  json.field("rate", demand.rate).field("setup_seconds", demand.setup_seconds);
  json.field("lifetime_seconds", demand.lifetime_seconds);
  json.field("cpu_per_connect_seconds", demand.cpu_per_connect);
  json.field("bytes_per_second", demand.bytes_per_second);
  json.field("cpu_per_gib_seconds", demand.cpu_per_gib);
  json.field("arrival_cv", demand.arrival_cv).field("service_cv", demand.service_cv);
  json.field("destinations", demand.destinations);
  json.field("pending", demand.pending()).field("connections", demand.connections());
  json.field("cpus", demand.cpus()).end_object();
}

void add_instance(JsonWriter& json, const Sizing& sizing) {
  const plan::Instance& one = sizing.one;
  json.key("instance").begin_object();
  json.field("workers", one.workers).field("nofile", one.nofile).field("seats", one.seats);
  json.field("permits", one.permits).field("permits_least", sizing.permits_least);
  json.field("source_addresses", one.source_addresses);
  json.field("memory_bytes", sizing.memory_bytes).end_object();
}

void add_queue(JsonWriter& json, const char* name, const plan::Queue& queue, double percentile) {
  json.key(name).begin_object();
  json.field("servers", queue.servers).field("utilisation", queue.utilisation());
  json.field("p_wait", queue.wait_probability()).field("mean_seconds", queue.mean_wait());
  json.field("percentile_seconds", queue.wait_percentile(percentile)).end_object();
}

const char* key_of(Resource resource) {
  return resource == Resource::kPorts ? "source_ports" : word(resource).data();
}

void add_reaches(JsonWriter& json, const Sizing& sizing) {
  json.key("reaches").begin_array();
  for (const Reach& reach : sizing.reaches) {
    json.begin_object().field("resource", key_of(reach.resource));
    json.field("in_use", reach.in_use).field("limit", reach.limit);
    // null: no rate, and no set-up time, that was looked at is too great.
    json.field("rate_most", reach.rate_most).field("setup_seconds_most", reach.setup_most);
    json.end_object();
  }
  json.end_array();
}

const char* key_of(plan::System system) {
  switch (system) {
    case plan::System::kWorker: return "worker";
    case plan::System::kSharedQueue: return "shared_queue";
    case plan::System::kSeats: return "seats";
  }
  return "";
}

const char* key_of(plan::Figure figure) {
  switch (figure) {
    case plan::Figure::kMustWait: return "p_wait";
    case plan::Figure::kMeanWait: return "mean_seconds";
    case plan::Figure::kPercentile: return "percentile_seconds";
    case plan::Figure::kTurnedAway: return "blocking";
    case plan::Figure::kInUse: return "in_use";
  }
  return "";
}

void add_comparisons(JsonWriter& json, const std::vector<plan::Comparison>& comparisons) {
  json.key("simulation").begin_array();
  for (const plan::Comparison& row : comparisons) {
    json.begin_object().field("system", key_of(row.system)).field("figure", key_of(row.figure));
    json.field("model", row.model).field("simulated", row.simulated.mean);
    json.field("spread", row.simulated.spread).end_object();
  }
  json.end_array();
}

// Half of what the picture shows is beyond the load that was planned for.
constexpr int kSteps = 240;
constexpr double kShown = 2;

template <class Value>
Chart::Points points(double rate, const Value& value) {
  Chart::Points out;
  for (int i = 1; i <= kSteps; ++i) {
    const double at = rate * kShown * i / kSteps;
    const double y = value(at);
    if (!std::isfinite(y)) break;
    out.emplace_back(at, y);
  }
  return out;
}

plan::Queue at_rate(plan::Queue queue, const plan::Demand& demand, double rate) {
  queue.load *= rate / demand.rate;
  return queue;
}

void add_rates(Chart& chart, double rate) {
  for (const double share : {0.0, 0.5, 1.0, 1.5, 2.0}) {
    chart.upright(rate * share, share == 0 ? "0" : observe::rate_text(rate * share) + "/s");
  }
}

void add_waits(observe::Picture& picture, const PlanRequest& request, const Sizing& sizing) {
  const double rate = request.demand.rate, percentile = request.goal.percentile;
  const double service = std::max(request.demand.cpu_per_connect, 1e-9);
  // From a tenth of a service to well past what is asked for.
  const double low = service / 10;
  const double high = std::max(10 * request.goal.max_wait, 100 * service);
  const auto ticks = observe::round_values(low, high);
  Chart chart(picture, {.left = 80, .right = 430, .top = 112, .bottom = 470},
              {.low = 0, .high = rate * kShown},
              {.low = ticks.front(), .high = ticks.back(), .logarithmic = true});
  for (const double tick : ticks) {
    const double digits = std::log10(tick);
    if (std::abs(digits - std::round(digits)) < 1e-9) {
      chart.across(tick, observe::round_time_text(tick * 1e9));
    }
  }
  add_rates(chart, rate);
  const auto wait = [&](const plan::Queue& queue) {
    return points(rate, [&](double at) {
      return at_rate(queue, request.demand, at).wait_percentile(percentile);
    });
  };
  chart.curve(0, wait(sizing.apart), "a queue each");
  if (sizing.one.workers > 1) chart.curve(1, wait(sizing.pooled), "one queue for all");
  if (request.goal.max_wait > 0) chart.bound(request.goal.max_wait, "--max-wait");
  picture.text(255, 94, "middle", fmt::format("p{:g} of waits for a worker", percentile * 100),
               "quiet");
}

void add_fill(observe::Picture& picture, const PlanRequest& request, const Sizing& sizing) {
  const double rate = request.demand.rate;
  Chart chart(picture, {.left = 520, .right = 870, .top = 112, .bottom = 470},
              {.low = 0, .high = rate * kShown}, {.low = 0, .high = 1.2});
  for (int percent = 0; percent <= 120; percent += 20) {
    chart.across(percent / 100.0, fmt::format("{} %", percent));
  }
  add_rates(chart, rate);
  int colour = 0;
  for (const Reach& reach : sizing.reaches) {
    chart.curve(colour++,
                points(rate,
                       [&](double at) {
                         const double share = reach.in_use / reach.limit * at / rate;
                         return share <= 1.2 ? share : std::numeric_limits<double>::infinity();
                       }),
                word(reach.resource));
  }
  chart.bound(1, "all of it");
  picture.text(695, 94, "middle", "in use of each resource, on average", "quiet");
}

}  // namespace

std::string plan_json(const PlanRequest& request, const Sizing& sizing,
                      const std::vector<plan::Comparison>& comparisons) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  if (request.from) json.field("from", request.from->text());
  add_demand(json, request.demand);
  json.key("goal").begin_object();
  json.field("percentile", request.goal.percentile * 100);
  json.field("max_wait_seconds", request.goal.max_wait);
  json.field("blocking", request.goal.blocking).end_object();
  json.key("assumed").begin_array();
  for (const std::string& assumed : request.assumed) json.value(assumed);
  json.end_array();
  json.field("instances", sizing.instances).field("instances_with_spare", sizing.instances + 1);
  json.field("workers_apart", sizing.workers_apart);
  json.field("workers_pooled", sizing.workers_pooled);
  add_instance(json, sizing);
  json.key("wait").begin_object();
  add_queue(json, "queue_each", sizing.apart, request.goal.percentile);
  add_queue(json, "one_queue", sizing.pooled, request.goal.percentile);
  json.end_object();
  json.key("blocking").begin_object();
  json.field("permits", sizing.permit_blocking).field("seats", sizing.seat_blocking).end_object();
  add_reaches(json, sizing);
  if (request.experiment) add_comparisons(json, comparisons);
  json.end_object();
  return out;
}

std::string plan_plot(const PlanRequest& request, const Sizing& sizing) {
  const plan::Demand& demand = request.demand;
  observe::Picture picture(
      fmt::format("penstock plan: {} set-ups a second of {}", observe::rate_text(demand.rate),
                  observe::seconds_text(demand.setup_seconds)),
      fmt::format("{} instance{} of {} worker{}, {} seats and {} permits", sizing.instances,
                  sizing.instances == 1 ? "" : "s", sizing.one.workers,
                  sizing.one.workers == 1 ? "" : "s", observe::count_text(sizing.one.seats),
                  observe::count_text(sizing.one.permits)));
  add_waits(picture, request, sizing);
  add_fill(picture, request, sizing);
  picture.text(450, 518, "middle",
               "set-ups per second; the load that was planned for is in the middle", "quiet");
  return std::move(picture).finish();
}

}  // namespace penstock::cli
