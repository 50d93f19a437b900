#include <set>

#include "base/json.h"
#include "trace/report.h"

namespace penstock::trace {
namespace {

using bpf::Readings;

int64_t micros(Duration duration) {
  return std::chrono::round<std::chrono::microseconds>(duration).count();
}

void distribution_field(JsonWriter& json, std::string_view name,
                        const bpf::Distribution& distribution) {
  json.key(name).begin_object();
  json.field("count", uint64_t{distribution.count}).field("sum_us", uint64_t{distribution.sum_us});
  json.field("mean_us", micros(bpf::mean(distribution)));
  json.field("p50_us", micros(bpf::percentile(distribution, 50)));
  json.field("p90_us", micros(bpf::percentile(distribution, 90)));
  json.field("p99_us", micros(bpf::percentile(distribution, 99)));
  json.field("max_us", micros(bpf::percentile(distribution, 100)));
  json.key("slots").begin_array();
  for (uint32_t i = 0; i < bpf::kSlots; ++i) {
    if (distribution.slots[i] == 0) continue;
    json.begin_array().value(uint64_t{bpf::upper_edge(i)});
    json.value(uint64_t{distribution.slots[i]}).end_array();
  }
  json.end_array().end_object();
}

void event_object(JsonWriter& json, const bpf::EventKey& key, uint64_t number) {
  json.begin_object().field("event", bpf::word(key.event));
  if (key.event == bpf::kConnectFailed) json.field("errno", errno_text(key.detail));
  if (key.event == bpf::kResetSent || key.event == bpf::kResetReceived) {
    json.field("state", bpf::tcp_state_word(key.detail));
  }
  json.field("count", number).end_object();
}

void group_object(JsonWriter& json, const bpf::Where& where, const Readings& readings) {
  json.begin_object().field("direction", bpf::word(where.direction));
  if (where.destination.port != 0) {
    json.field(end_word(where.direction), where.destination.text());
  }
  json.key("latencies").begin_object();
  for (const auto& [key, distribution] : readings.distributions) {
    if (key.where == where) distribution_field(json, bpf::word(key.measure), distribution);
  }
  json.end_object().key("events").begin_array();
  for (const auto& [key, number] : readings.counts) {
    if (key.where == where) event_object(json, key, number);
  }
  json.end_array().end_object();
}

}  // namespace

std::string json(const Span& span, const bpf::Source& source, const Readings& readings) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("time", span.ended).field("span", span.name);
  json.field("seconds", std::chrono::duration<double>(span.length).count());
  json.field("source", source.what());
  json.key("not_known").begin_array();
  for (int i = 0; i < bpf::kMeasures; ++i) {
    const auto measure = static_cast<bpf::Measure>(i);
    if (!source.measures(measure)) json.value(bpf::word(measure));
  }
  for (int i = 0; i < bpf::kEvents; ++i) {
    const auto event = static_cast<bpf::Event>(i);
    if (!source.counts(event)) json.value(bpf::word(event));
  }
  json.end_array().key("groups").begin_array();
  std::set<bpf::Where> groups;
  for (const auto& [key, ignored] : readings.distributions) groups.insert(key.where);
  for (const auto& [key, ignored] : readings.counts) groups.insert(key.where);
  for (const bpf::Where& where : groups) group_object(json, where, readings);
  json.end_array().field("listen_overflows", readings.listen_overflows);
  json.field("lost", readings.lost).end_object();
  return out;
}

}  // namespace penstock::trace
