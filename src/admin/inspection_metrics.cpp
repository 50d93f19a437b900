#include "admin/inspection_metrics.h"

#include "admin/sums.h"

namespace penstock::admin {

using session::Metrics;

namespace {

// Services keep their places in the configuration; after a reload that moves them, what was counted
// stays with the place.
void icap_metrics(observe::PrometheusText& text, const Snapshot& snapshot) {
  if (snapshot.icap_services.empty()) return;
  text.metric("penstock_icap_messages_total", "counter",
              "Messages that were shown to services of ICAP, by what became of them.");
  for (size_t place = 0; place < snapshot.icap_services.size(); ++place) {
    for (size_t message = 0; message < session::kAdaptedMessages.size(); ++message) {
      for (size_t i = 0; i < session::kAdaptedWords.size(); ++i) {
        const uint64_t count = sum_of(snapshot, [&](const Metrics& metrics) -> auto& {
          return metrics.icap[place][message][i];
        });
        text.sample({{"service", snapshot.icap_services[place]},
                     {"message", session::kAdaptedMessages[message]},
                     {"result", session::kAdaptedWords[i]}},
                    count);
      }
    }
  }
  text.metric("penstock_icap_seconds", "histogram",
              "How long it took to know what becomes of a message.");
  for (size_t message = 0; message < session::kAdaptedMessages.size(); ++message) {
    observe::HistogramCounts total;
    for (const auto& worker : snapshot.workers) {
      total += worker.metrics->icap_seconds[message].counts();
    }
    text.histogram({{"message", session::kAdaptedMessages[message]}}, total);
  }
  text.metric("penstock_icap_idle_connections", "gauge",
              "Connections to services that wait for the next message.");
  text.sample({}, sum(snapshot, &Metrics::icap_idle));
}

}  // namespace

void inspection_metrics(observe::PrometheusText& text, const Snapshot& snapshot) {
  text.metric("penstock_inspected_tunnels_total", "counter",
              "Tunnels whose rule inspects, by what became of them.");
  for (size_t i = 0; i < session::kInspectedWords.size(); ++i) {
    const uint64_t count =
        sum_of(snapshot, [i](const Metrics& metrics) -> auto& { return metrics.inspected[i]; });
    text.sample({{"result", session::kInspectedWords[i]}}, count);
  }
  icap_metrics(text, snapshot);
  if (!snapshot.mint) return;
  const bump::Mint::Counts& mint = *snapshot.mint;
  text.metric("penstock_leaves_total", "counter",
              "Certificates for inspected tunnels, by where they came from.");
  text.sample({{"result", "minted"}}, mint.minted);
  text.sample({{"result", "cached"}}, mint.cached);
  text.sample({{"result", "coalesced"}}, mint.coalesced);
  text.sample({{"result", "failed"}}, mint.failed);
  text.metric("penstock_leaves_kept", "gauge", "Of them, those that are kept for the next tunnel.");
  text.sample({}, uint64_t{mint.in_cache});
  text.metric("penstock_key_keeper_restarts_total", "counter",
              "Times that the process which signs them had to be started again.");
  text.sample({}, mint.keeper_restarts);
}

}  // namespace penstock::admin
