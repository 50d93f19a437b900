#include "cli/incident_report.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "base/json.h"
#include "observe/figures.h"
#include "observe/picture.h"

namespace penstock::cli {
namespace {

using observe::Chart;
using observe::count_text;
using observe::seconds_text;
using plan::Course;
using plan::Incident;
using plan::Second;
using Output = std::back_insert_iterator<std::string>;

std::string origins(uint64_t count) {
  return fmt::format("{} origin{}", count_text(count), count == 1 ? "" : "s");
}

std::string load_text(const Incident& incident) {
  return fmt::format("{} set-ups a second of {} to {}, {} permits, seed {}",
                     observe::rate_text(incident.rate), seconds_text(incident.setup_seconds),
                     origins(incident.destinations), count_text(incident.permits), incident.seed);
}

std::string illness_text(const Incident& incident) {
  return fmt::format("from {:g} s to {:g} s {} of them take{} {}", incident.begins, incident.heals,
                     count_text(incident.ill), incident.ill == 1 ? "s" : "",
                     seconds_text(incident.ill_seconds));
}

template <class Value>
Chart::Points over_time(const Course& course, const Value& value) {
  Chart::Points out;
  double at = 0.5;
  for (const Second& second : course.seconds) out.emplace_back(at++, value(second));
  return out;
}

double success_of(const Second& second) {
  if (second.well_asked == 0) return 1;
  return 1 - static_cast<double>(second.well_refused) / static_cast<double>(second.well_asked);
}

void add_times(Chart& chart, const Incident& incident) {
  for (const double at : {0.0, incident.begins, incident.heals, incident.ends}) {
    chart.upright(at, fmt::format("{:g} s", at));
  }
}

}  // namespace

std::string incident_table(const Incident& incident, const std::vector<Course>& courses) {
  std::string out = fmt::format("{}\n{}\n\n", load_text(incident), illness_text(incident));
  const auto line = [&](auto... cells) {
    fmt::format_to(Output(out), "  {:<10} {:>10} {:>10} {:>12} {:>10} {:>12} {:>14}\n", cells...);
  };
  line("", "others", "p99 when", "p99 while", "ill", "most permits", "last refusal");
  line("bulkhead", "served", "all well", "some are ill", "served", "of the ill", "after healing");
  for (const Course& course : courses) {
    line(word(course.bulkhead), fmt::format("{:.1f} %", 100 * course.well_success),
         seconds_text(course.quiet_p99), seconds_text(course.incident_p99),
         fmt::format("{:.1f} %", 100 * course.ill_success), count_text(course.ill_pending_most),
         course.recovery_seconds == 0 ? "none" : seconds_text(course.recovery_seconds));
  }
  out += "\n  The p99 are of set-ups to the others, from asking to connected.\n";
  return out;
}

std::string incident_json(const Incident& incident, const std::vector<Course>& courses) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("incident").begin_object();
  json.field("rate", incident.rate).field("destinations", incident.destinations);
  json.field("ill", incident.ill).field("setup_seconds", incident.setup_seconds);
  json.field("ill_seconds", incident.ill_seconds).field("begins", incident.begins);
  json.field("heals", incident.heals).field("ends", incident.ends);
  json.field("permits", incident.permits).field("seed", incident.seed).end_object();
  json.key("courses").begin_array();
  for (const Course& course : courses) {
    json.begin_object().field("bulkhead", word(course.bulkhead));
    json.field("success", course.well_success).field("ill_success", course.ill_success);
    json.field("quiet_p99_seconds", course.quiet_p99);
    json.field("incident_p99_seconds", course.incident_p99);
    json.field("ill_pending_most", course.ill_pending_most);
    json.field("recovery_seconds", course.recovery_seconds).key("seconds").begin_array();
    for (const Second& second : course.seconds) {
      json.begin_object()
          .field("success", success_of(second))
          .field("p99_seconds", second.well_p99);
      json.field("pending", second.pending).field("ill_pending", second.ill_pending);
      json.field("ill_limit", second.ill_limit);
      json.field("ill_asked", second.ill_asked).field("ill_refused", second.ill_refused);
      json.end_object();
    }
    json.end_array().end_object();
  }
  json.end_array().end_object();
  return out;
}

std::string incident_plot(const Incident& incident, const std::vector<Course>& courses) {
  constexpr double kLeft = 92, kRight = 872;
  const observe::Axis time{.low = 0, .high = incident.ends};
  const auto permits = static_cast<double>(incident.permits);
  observe::Picture picture(
      "Set-ups while " + origins(incident.ill) + " of " + count_text(incident.destinations) +
          " take" + (incident.ill == 1 ? "s " : " ") + seconds_text(incident.ill_seconds),
      load_text(incident));
  Chart served(picture, {kLeft, kRight, 96, 196}, time, {.low = 0, .high = 1});
  Chart waits(picture, {kLeft, kRight, 252, 352}, time,
              {.low = 0.01, .high = 1, .logarithmic = true});
  Chart held(picture, {kLeft, kRight, 408, 508}, time, {.low = 0, .high = permits});
  for (const double share : {0.0, 0.5, 1.0})
    served.across(share, fmt::format("{:g} %", 100 * share));
  for (const double seconds : {0.01, 0.1, 1.0})
    waits.across(seconds, observe::round_time_text(seconds * 1e9));
  for (const double share : {0.0, 0.5, 1.0})
    held.across(share * permits, fmt::format("{:.0f}", share * permits));
  for (Chart* chart : {&served, &waits, &held}) add_times(*chart, incident);
  for (const Course& course : courses) {
    const int colour = static_cast<int>(course.bulkhead);
    served.curve(colour, over_time(course, success_of), word(course.bulkhead));
    waits.curve(colour, over_time(course, [](const Second& second) { return second.well_p99; }));
    held.curve(colour, over_time(course, [](const Second& second) {
                 return static_cast<double>(second.ill_pending);
               }));
  }
  picture.text(kLeft, 86, "start", "served, of set-ups to the others; by bulkhead", "quiet");
  picture.text(kLeft, 242, "start", "p99 of set-ups to the others", "quiet");
  picture.text(kLeft, 398, "start", "permits that the ill hold", "quiet");
  return std::move(picture).finish();
}

}  // namespace penstock::cli
