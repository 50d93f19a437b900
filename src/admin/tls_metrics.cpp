#include "admin/tls_metrics.h"

#include "admin/sums.h"

namespace penstock::admin {
namespace {

using observe::PrometheusText;
using session::Metrics;

// Those that failed are counted as connections as well, by the same words.
void handshakes(PrometheusText& text, const Snapshot& snapshot) {
  text.metric("penstock_tls_handshakes_total", "counter",
              "TLS handshakes with clients, by how they ended.");
  for (const bool resumed : {false, true}) {
    for (const bool newest : {false, true}) {
      const uint64_t count = sum_of(snapshot, [&](const Metrics& metrics) -> auto& {
        return metrics.handshakes[resumed ? 1 : 0][newest ? 1 : 0];
      });
      text.sample({{"result", "done"},
                   {"version", newest ? "TLSv1.3" : "TLSv1.2"},
                   {"resumed", resumed ? "true" : "false"}},
                  count);
    }
  }
  constexpr auto kRefused = static_cast<size_t>(session::Outcome::kRefused);
  for (auto code = static_cast<size_t>(Code::kTlsPlainHttp);
       code <= static_cast<size_t>(Code::kTlsFailed); ++code) {
    const uint64_t count = sum_of(snapshot, [&](const Metrics& metrics) -> auto& {
      return metrics.connections[kRefused][code];
    });
    if (count != 0) text.sample({{"result", facts(static_cast<Code>(code)).word}}, count);
  }
  text.metric("penstock_parent_tls_handshakes_total", "counter",
              "TLS handshakes with parents, by how they ended.");
  for (const size_t resumed : {0, 1}) {
    const uint64_t count = sum_of(snapshot, [&](const Metrics& metrics) -> auto& {
      return metrics.parent_handshakes[resumed];
    });
    text.sample({{"result", "done"}, {"resumed", resumed == 1 ? "true" : "false"}}, count);
  }
  text.sample({{"result", "failed"}, {"resumed", "false"}},
              sum(snapshot, &Metrics::parent_handshakes_failed));
}

void tls_tunnels(PrometheusText& text, const Snapshot& snapshot) {
  text.metric("penstock_tls_tunnels_total", "counter",
              "Tunnels of clients that speak TLS, by who encrypts and decrypts.");
  for (const bool kernel : {false, true}) {
    const uint64_t count = sum_of(snapshot, [&](const Metrics& metrics) -> auto& {
      return metrics.tls_tunnels[kernel ? 1 : 0];
    });
    text.sample({{"path", kernel ? "kernel" : "user"}}, count);
  }
}

}  // namespace

void tls_metrics(PrometheusText& text, const Snapshot& snapshot) {
  handshakes(text, snapshot);
  tls_tunnels(text, snapshot);
}

}  // namespace penstock::admin
