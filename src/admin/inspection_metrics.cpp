#include "admin/inspection_metrics.h"

#include "admin/sums.h"

namespace penstock::admin {

using session::Metrics;

void inspection_metrics(observe::PrometheusText& text, const Snapshot& snapshot) {
  text.metric("penstock_inspected_tunnels_total", "counter",
              "Tunnels whose rule inspects, by what became of them.");
  for (size_t i = 0; i < session::kInspectedWords.size(); ++i) {
    const uint64_t count =
        sum_of(snapshot, [i](const Metrics& metrics) -> auto& { return metrics.inspected[i]; });
    text.sample({{"result", session::kInspectedWords[i]}}, count);
  }
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
