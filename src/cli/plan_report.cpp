#include "cli/plan_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <string_view>

#include "observe/figures.h"

namespace penstock::cli {
namespace {

using observe::bytes_text;
using observe::count_text;
using observe::rate_text;
using observe::seconds_text;
using plan::Reach;
using plan::Resource;
using plan::Sizing;
using Output = std::back_insert_iterator<std::string>;

std::string share_text(double share) {
  if (share == 0) return "none";
  if (share < 1e-12) return "< 1e-10 %";
  if (share < 1e-5) return fmt::format("{:.1e} %", 100 * share);
  return fmt::format("{:.3g} %", 100 * share);
}

std::string round_count(double count) {
  if (count < 99.5) return fmt::format("{:.3g}", count);
  return count_text(static_cast<uint64_t>(std::llround(count)));
}

std::string percentile_text(double percentile) {
  return fmt::format("p{:g}", percentile * 100);
}

std::string amount_text(Resource resource, double amount) {
  return resource == Resource::kMemory ? bytes_text(amount) : round_count(amount);
}

std::string plural(uint64_t count, std::string_view word) {
  return fmt::format("{} {}{}", count_text(count), word, count == 1 ? "" : "s");
}

void add_demand(std::string& out, const PlanRequest& request) {
  const plan::Demand& demand = request.demand;
  if (request.from) {
    fmt::format_to(Output(out), "measured at {}{}\n\n", request.from->text(),
                   request.measured.window_seconds
                       ? fmt::format(" over {:.3g} s", *request.measured.window_seconds)
                       : "");
  }
  const auto row = [&](std::string_view name, const std::string& amount, const std::string& why) {
    fmt::format_to(Output(out), "  {:<18} {:>13}   {}\n", name, amount, why);
  };
  row("set-ups", rate_text(demand.rate) + "/s",
      fmt::format("of {} each, to {}", seconds_text(demand.setup_seconds),
                  plural(static_cast<uint64_t>(demand.destinations), "destination")));
  row("pending", round_count(demand.pending()), "on average: rate x set-up time");
  row("connections", round_count(demand.connections()),
      fmt::format("on average: rate x (set-up time + {} of tunnel)",
                  seconds_text(demand.lifetime_seconds)));
  row("CPUs busy", fmt::format("{:.3g}", demand.cpus()),
      fmt::format("{:.3g} with set-ups of {}, {:.3g} with {}/s", demand.connect_cpus(),
                  seconds_text(demand.cpu_per_connect), demand.carry_cpus(),
                  bytes_text(demand.bytes_per_second)));
  for (const std::string& assumed : request.assumed) {
    row("", "assumed", assumed);
  }
}

// What the proxy counted, beside what theory makes of it.
void add_checks(std::string& out, const PlanRequest& request, const Sizing& sizing) {
  const Capacity& live = request.measured;
  if (!live.pending_mean && !live.utilisation && !live.p_wait) return;
  out += "\n  measured                 here      by theory\n";
  const auto row = [&](std::string_view name, const std::string& here, const std::string& theory,
                       std::string_view law) {
    fmt::format_to(Output(out), "  {:<16} {:>12} {:>14}   {}\n", name, here, theory, law);
  };
  if (live.pending_mean) {
    row("pending", round_count(*live.pending_mean), round_count(request.demand.pending()),
        "Little's law: rate x set-up time");
  }
  if (live.utilisation) {
    row("utilisation", share_text(*live.utilisation), share_text(sizing.apart.utilisation()),
        "rate x CPU time / workers");
  }
  if (live.p_wait) {
    row("must wait", share_text(*live.p_wait), share_text(sizing.pooled.wait_probability()),
        "Erlang C, if workers shared one queue");
  }
}

void add_plan(std::string& out, const Sizing& sizing) {
  const plan::Instance& one = sizing.one;
  const auto all = static_cast<double>(sizing.instances);
  fmt::format_to(Output(out), "\n  plan {:>27} {:>14}\n", "one", "all");
  const auto row = [&](std::string_view name, const std::string& each, const std::string& every,
                       const std::string& why) {
    std::string line = fmt::format("  {:<18} {:>13} {:>14}   {}", name, each, every, why);
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  };
  const auto count_row = [&](std::string_view name, uint64_t each, const std::string& why) {
    row(name, count_text(each), count_text(each * sizing.instances), why);
  };
  row("instances", "", count_text(sizing.instances), "and 1 more, so that one may fail");
  count_row("workers", one.workers,
            fmt::format("{} would do, {} if they shared one queue",
                        count_text(sizing.workers_apart), count_text(sizing.workers_pooled)));
  count_row("nofile", one.nofile, "descriptors: LimitNOFILE, ulimit -n");
  count_row("seats", one.seats, "limits.tunnels");
  count_row("permits", one.permits,
            fmt::format("limits.pending; {} would do while nothing slows down",
                        count_text(sizing.permits_least)));
  count_row("source addresses", one.source_addresses, "dial.source_addresses");
  row("memory", bytes_text(sizing.memory_bytes), bytes_text(sizing.memory_bytes * all),
      "sockets included; an estimate");
}

void add_waits(std::string& out, const PlanRequest& request, const Sizing& sizing) {
  const double percentile = request.goal.percentile;
  fmt::format_to(Output(out), "\n  {:<18} {:>13} {:>14} {:>10}\n", "wait for a worker", "must wait",
                 "mean", percentile_text(percentile));
  const auto row = [&](std::string_view name, const plan::Queue& queue, std::string_view why) {
    const auto time = [](double wait) {
      return std::isinf(wait) ? std::string("endless") : seconds_text(wait);
    };
    fmt::format_to(Output(out), "  {:<18} {:>13} {:>14} {:>10}   {}\n", name,
                   share_text(queue.wait_probability()), time(queue.mean_wait()),
                   time(queue.wait_percentile(percentile)), why);
  };
  row("a queue each", sizing.apart, "as it is; pessimistic, and planned for");
  if (sizing.one.workers > 1) {
    row("one queue for all", sizing.pooled, "optimistic: the best that sharing could do");
  }
  fmt::format_to(Output(out), "\n  turned away        {:>13}   for want of a permit\n",
                 share_text(sizing.permit_blocking));
  fmt::format_to(Output(out), "                     {:>13}   for want of a seat\n",
                 share_text(sizing.seat_blocking));
}

const Reach* first_by_setup(const Sizing& sizing) {
  const auto first = std::ranges::min_element(sizing.reaches, {}, &Reach::setup_most);
  return first == sizing.reaches.end() || std::isinf(first->setup_most) ? nullptr : &*first;
}

std::string within(double most, double now, const std::string& text) {
  if (std::isinf(most)) return "any";
  return most < now ? text + " !" : text;
}

void add_reaches(std::string& out, const PlanRequest& request, const Sizing& sizing) {
  const plan::Demand& demand = request.demand;
  fmt::format_to(Output(out), "\n  {:<18} {:>13} {:>14} {:>6} {:>16} {:>8} {:>16}\n",
                 "what runs out", "in use", "of", "", "rate at most", "", "set-up at most");
  for (const Reach& reach : sizing.reaches) {
    fmt::format_to(
        Output(out), "  {:<18} {:>13} {:>14} {:>6} {:>16} {:>8} {:>16}\n", word(reach.resource),
        amount_text(reach.resource, reach.in_use), amount_text(reach.resource, reach.limit),
        fmt::format("{:.0f} %", 100 * reach.in_use / reach.limit),
        within(reach.rate_most, demand.rate, rate_text(reach.rate_most) + "/s"),
        std::isinf(reach.rate_most) ? "" : fmt::format("x {:.3g}", reach.rate_most / demand.rate),
        within(reach.setup_most, demand.setup_seconds, seconds_text(reach.setup_most)));
  }
}

void add_answer(std::string& out, const PlanRequest& request, const Sizing& sizing) {
  const Reach& first = sizing.reaches.front();
  const double factor = first.rate_most / request.demand.rate;
  out += "\n  ";
  if (std::isinf(factor)) {
    out += "No rate that was looked at exhausts anything.";
  } else if (factor < 1) {
    fmt::format_to(Output(out), "This is too much: {} run out at {}/s, {:.3g} times the rate.",
                   word(first.resource), rate_text(first.rate_most), factor);
  } else {
    fmt::format_to(Output(out), "{} {:.3g} times the rate: then {} run out first.",
                   request.from ? "This one can take" : "It can take", factor,
                   word(first.resource));
  }
  if (const Reach* slowest = first_by_setup(sizing)) {
    fmt::format_to(Output(out),
                   "\n  If set-ups take longer instead, {} run out first, at {} (now {}).",
                   word(slowest->resource), seconds_text(slowest->setup_most),
                   seconds_text(request.demand.setup_seconds));
  }
  out += "\n";
}

std::string name_of(plan::Figure figure, double percentile) {
  switch (figure) {
    case plan::Figure::kMustWait: return "must wait";
    case plan::Figure::kMeanWait: return "mean wait";
    case plan::Figure::kPercentile: return percentile_text(percentile) + " of waits";
    case plan::Figure::kTurnedAway: return "turned away";
    case plan::Figure::kInUse: return "in use";
  }
  return {};
}

std::string figure_text(plan::Figure figure, double value) {
  switch (figure) {
    case plan::Figure::kMustWait:
    case plan::Figure::kTurnedAway: return share_text(value);
    case plan::Figure::kMeanWait:
    case plan::Figure::kPercentile: return seconds_text(value);
    case plan::Figure::kInUse: return round_count(value);
  }
  return {};
}

std::string spread_text(const plan::Comparison& row) {
  if (row.simulated.mean == 0 && row.simulated.spread == 0) {
    return row.model == 0 ? "" : "too rare for so few set-ups";
  }
  return "+- " + figure_text(row.figure, row.simulated.spread) +
         (row.simulated.holds(row.model) ? "" : "   the model is outside");
}

}  // namespace

std::string plan_table(const PlanRequest& request, const Sizing& sizing) {
  std::string out;
  add_demand(out, request);
  if (request.from) {
    add_checks(out, request, sizing);
  } else {
    add_plan(out, sizing);
  }
  add_waits(out, request, sizing);
  add_reaches(out, request, sizing);
  add_answer(out, request, sizing);
  return out;
}

std::string comparison_table(const PlanRequest& request,
                             const std::vector<plan::Comparison>& comparisons) {
  std::string out =
      fmt::format("\n  simulated: {} each, seed {}\n",
                  plural(request.experiment->set_ups, "set-up"), request.experiment->seed);
  fmt::format_to(Output(out), "  {:<28} {:>12} {:>12}   {}\n", "", "model", "simulation",
                 "99 % confidence");
  const plan::System* last = nullptr;
  for (const plan::Comparison& row : comparisons) {
    if (!last || *last != row.system) fmt::format_to(Output(out), "  {}\n", word(row.system));
    last = &row.system;
    fmt::format_to(Output(out), "    {:<26} {:>12} {:>12}   {}\n",
                   name_of(row.figure, request.goal.percentile), figure_text(row.figure, row.model),
                   figure_text(row.figure, row.simulated.mean), spread_text(row));
  }
  return out;
}

}  // namespace penstock::cli
