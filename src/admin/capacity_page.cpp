#include "admin/capacity_page.h"

#include <limits>

#include "base/json.h"

namespace penstock::admin {
namespace {

// JSON has no number for what nobody measured; the writer turns this one into null.
double or_null(std::optional<double> number) {
  return number.value_or(std::numeric_limits<double>::quiet_NaN());
}

// L beside what it is by Little's law, and how far apart they are.
struct Names {
  std::string_view lambda, w, l, lambda_w, difference;
};
constexpr Names kSetUps{"lambda", "setup_seconds", "pending_mean", "lambda_w",
                        "pending_difference"};
constexpr Names kTunnels{"tunnel_lambda", "tunnel_seconds", "tunnels_mean", "tunnel_lambda_w",
                         "tunnels_difference"};

void law(JsonWriter& json, const Names& names, const std::optional<observe::LittlesLaw>& law) {
  const auto l = law ? std::optional(law->l) : std::nullopt;
  const auto lambda_w = law ? law->lambda_w() : std::nullopt;
  json.field(names.lambda, or_null(law ? std::optional(law->lambda) : std::nullopt));
  json.field(names.w, or_null(law ? law->w : std::nullopt));
  json.field(names.l, or_null(l));
  json.field(names.lambda_w, or_null(lambda_w));
  json.field(names.difference, or_null(lambda_w ? std::optional(*l - *lambda_w) : std::nullopt));
}

void workers(JsonWriter& json, const std::optional<Measured>& measured) {
  const auto given = [&](auto value) {
    return or_null(measured ? std::optional<double>(value(*measured)) : std::nullopt);
  };
  json.field("bytes_per_second", given([](const Measured& m) { return m.bytes_per_second; }));
  json.field("utilisation", given([](const Measured& m) { return m.mean_utilisation(); }));
  json.key("utilisation_per_worker").begin_array();
  if (measured) {
    for (const double share : measured->utilisation) json.value(share);
  }
  json.end_array();
  json.field("cpu_per_connect_seconds",
             or_null(measured ? measured->cpu_per_set_up : std::nullopt));
  json.field("p_wait", given([](const Measured& m) { return m.p_wait; }));
  json.field("mean_wait_seconds", or_null(measured ? measured->mean_wait : std::nullopt));
}

void limits(JsonWriter& json, const Snapshot& snapshot) {
  json.key("limits").begin_object();
  json.field("seats", snapshot.seats).field("seats_taken", snapshot.seats_taken);
  json.field("pending", snapshot.door.pending_limit);
  json.field("pending_per_destination", snapshot.door.destination_limit);
  json.field("queue", snapshot.door.queue_limit);
  json.field("descriptors", snapshot.descriptors_limit);
  json.field("descriptors_open", snapshot.descriptors_open);
  json.field("memory_bytes", snapshot.memory.limit);
  json.field("resident_bytes", snapshot.memory.resident);
  json.field("group_memory_bytes", snapshot.memory.group_limit);
  json.field("group_used_bytes", snapshot.memory.group_used);
  json.field("memory_short", snapshot.memory_short);
  json.field("ephemeral_ports", snapshot.local_ports).end_object();
}

std::string_view word_of(admission::Breaker::State state) {
  switch (state) {
    case admission::Breaker::State::kClosed: return "closed";
    case admission::Breaker::State::kOpen: return "open";
    case admission::Breaker::State::kHalfOpen: return "half_open";
  }
  return "closed";
}

double measured_or_null(double seconds) {
  return or_null(seconds > 0 ? std::optional(seconds) : std::nullopt);
}

void destinations(JsonWriter& json, const Snapshot& snapshot) {
  json.key("destinations").begin_array();
  for (const auto& one : snapshot.destinations) {
    json.begin_object().field("authority", one.authority);
    json.field("pending", one.pending).field("waiting", one.waiting).field("limit", one.limit);
    json.field("setup_seconds", measured_or_null(one.setup_seconds));
    json.field("no_load_seconds", measured_or_null(one.no_load_seconds));
    json.field("breaker", word_of(one.breaker));
    json.field("cause", one.cause ? facts(*one.cause).word : std::string_view()).end_object();
  }
  json.end_array();
}

}  // namespace

std::string capacity_page(const Snapshot& snapshot) {
  const auto& measured = snapshot.measured;
  uint64_t tunnels_open = 0;
  for (const auto& worker : snapshot.workers) tunnels_open += worker.metrics->tunnels.present();
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.field("window_seconds", or_null(measured ? std::optional(measured->seconds) : std::nullopt));
  json.field("workers", uint64_t{snapshot.workers.size()});
  law(json, kSetUps, measured ? std::optional(measured->set_ups) : std::nullopt);
  json.field("tunnels_open", tunnels_open);
  law(json, kTunnels, measured ? std::optional(measured->tunnels) : std::nullopt);
  workers(json, measured);
  limits(json, snapshot);
  destinations(json, snapshot);
  json.end_object();
  out += '\n';
  return out;
}

}  // namespace penstock::admin
