#include "admin/key_metrics.h"

#include <chrono>

namespace penstock::admin {

void key_metrics(observe::PrometheusText& text, const Snapshot& snapshot) {
  text.metric("penstock_identity_keys", "gauge",
              "Keys of tokens that were fetched from a URL; 0: none could be yet.");
  for (const auto& source : snapshot.key_sources) text.sample({{"url", source.url}}, source.keys);
  text.metric("penstock_identity_keys_age_seconds", "gauge", "Since those keys were fetched.");
  for (const auto& source : snapshot.key_sources) {
    if (!source.age) continue;
    text.sample({{"url", source.url}}, std::chrono::duration<double>(*source.age).count());
  }
  text.metric("penstock_identity_key_fetches_total", "counter",
              "Fetches of keys, by what became of them.");
  for (const auto& source : snapshot.key_sources) {
    text.sample({{"url", source.url}, {"result", "fetched"}}, source.fetched);
    text.sample({{"url", source.url}, {"result", "failed"}}, source.failed);
  }
}

}  // namespace penstock::admin
