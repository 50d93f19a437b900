#include "observe/prometheus.h"

#include "trace/report.h"

namespace penstock::trace {
namespace {

using observe::HistogramCounts;

// A slot is counted where its upper edge belongs, so a bound is exact to one slot.
HistogramCounts in_buckets(const bpf::Distribution& distribution) {
  HistogramCounts out;
  for (uint32_t i = 0; i < bpf::kSlots; ++i) {
    if (distribution.slots[i] == 0) continue;
    const double seconds = static_cast<double>(bpf::upper_edge(i)) / 1e6;
    size_t bucket = 0;
    while (bucket < out.kUpperBounds.size() && seconds > out.kUpperBounds[bucket]) ++bucket;
    out.buckets[bucket] += distribution.slots[i];
    out.count += distribution.slots[i];
  }
  out.sum_seconds = static_cast<double>(distribution.sum_us) / 1e6;
  return out;
}

std::string end_text(const bpf::Where& where) {
  return where.destination.port != 0 ? where.destination.text() : std::string();
}

std::string detail_text(const bpf::EventKey& key) {
  if (key.event == bpf::kConnectFailed) return errno_text(key.detail);
  return key.detail != 0 ? std::string(bpf::tcp_state_word(key.detail)) : std::string();
}

}  // namespace

std::string prometheus(const bpf::Readings& since_start) {
  observe::PrometheusText text;
  text.metric("penstock_trace_seconds", "histogram", "Latencies of connections, by the kernel.");
  for (const auto& [key, distribution] : since_start.distributions) {
    text.histogram({{"latency", bpf::word(key.measure)},
                    {"direction", bpf::word(key.where.direction)},
                    {"end", end_text(key.where)}},
                   in_buckets(distribution));
  }
  text.metric("penstock_trace_events_total", "counter", "What happened to connections.");
  for (const auto& [key, number] : since_start.counts) {
    text.sample({{"event", bpf::word(key.event)},
                 {"direction", bpf::word(key.where.direction)},
                 {"end", end_text(key.where)},
                 {"detail", detail_text(key)}},
                number);
  }
  text.metric("penstock_trace_listen_overflows_total", "counter",
              "Connections dropped since an accept queue was full, in the network namespace.");
  text.sample({}, since_start.listen_overflows);
  text.metric("penstock_trace_lost_total", "counter", "Measurements that found no room in a map.");
  text.sample({}, since_start.lost);
  return text.take();
}

}  // namespace penstock::trace
