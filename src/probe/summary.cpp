#include "probe/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace penstock::probe {
namespace {

Duration at_rank(const std::vector<Duration>& sorted, double share) {
  const auto rank = static_cast<size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::max<size_t>(rank, 1) - 1];
}

Spread spread_of(std::vector<Duration> values) {
  if (values.empty()) return {};
  std::ranges::sort(values);
  return {.count = static_cast<int>(values.size()),
          .min = values.front(),
          .median = at_rank(values, 0.5),
          .p95 = at_rank(values, 0.95)};
}

}  // namespace

bool Found::good() const {
  return std::ranges::all_of(runs, &Measured::good) && std::ranges::all_of(direct, &Measured::good);
}

Spread spread_of(const std::vector<Measured>& runs, Phase phase) {
  std::vector<Duration> values;
  for (const Measured& run : runs) {
    const Span* const span = run.timeline.find(phase);
    if (span && !span->failed) values.push_back(span->length());
  }
  return spread_of(std::move(values));
}

Spread spread_of_total(const std::vector<Measured>& runs) {
  std::vector<Duration> values;
  for (const Measured& run : runs) {
    if (run.good()) values.push_back(run.timeline.total());
  }
  return spread_of(std::move(values));
}

std::vector<Phase> phases_of(const std::vector<const Timeline*>& timelines) {
  std::vector<Phase> out;
  for (int i = 0; i < kPhaseCount; ++i) {
    const auto phase = static_cast<Phase>(i);
    if (std::ranges::any_of(timelines, [&](const Timeline* one) { return one->find(phase); })) {
      out.push_back(phase);
    }
  }
  return out;
}

const Measured* typical(const std::vector<Measured>& runs) {
  if (runs.empty()) return nullptr;
  const Spread total = spread_of_total(runs);
  for (const Measured& run : runs) {
    if (run.good() && run.timeline.total() == total.median) return &run;
  }
  return &runs.back();
}

std::vector<const Timeline*> timelines_of(const std::vector<Measured>& runs) {
  std::vector<const Timeline*> out;
  out.reserve(runs.size());
  for (const Measured& run : runs) out.push_back(&run.timeline);
  return out;
}

std::vector<Named> predict_all(const Options& options) {
  const Network network = fit(options.assumptions, {}).network;
  return {{"direct", predict_direct(network)},
          {"CONNECT", predict_proxied(network, false)},
          {"HTTPS proxy", predict_proxied(network, true)}};
}

Fitted fitted_to(const Found& found) {
  return fit(found.options.assumptions, timelines_of(found.runs));
}

Timeline predicted(const Found& found) {
  const Network network = fitted_to(found).network;
  const auto& proxy = found.options.proxy;
  return proxy ? predict_proxied(network, proxy->secure()) : predict_direct(network);
}

std::vector<Named> to_draw(const Found& found) {
  if (found.options.model) return predict_all(found.options);
  std::vector<Named> out;
  if (const Measured* const run = typical(found.runs)) {
    out.push_back({found.options.proxy ? "through the proxy" : "direct", run->timeline});
  }
  if (const Measured* const run = typical(found.direct)) out.push_back({"direct", run->timeline});
  if (found.options.compare == Compare::kModel) out.push_back({"model", predicted(found)});
  return out;
}

std::string compare_chains(const Measured& proxied, const Measured& direct) {
  if (!proxied.tls || !direct.tls) return "";
  const auto& ours = proxied.tls->trust.chain;
  const auto& theirs = direct.tls->trust.chain;
  if (ours.empty() || theirs.empty()) return "";
  if (ours.front().fingerprint == theirs.front().fingerprint) {
    return "The same certificate arrives both ways: nobody at the proxy terminates TLS.";
  }
  if (ours.front().issuer == theirs.front().issuer) {
    return fmt::format(
        "Two certificates arrive, both signed by \"{}\": the servers of one site may differ. "
        "Probe again before you suspect anybody.",
        ours.front().issuer);
  }
  return fmt::format(
      "Directly \"{}\" has signed, through the proxy \"{}\": a middlebox at or behind the proxy "
      "terminates TLS, and can read what is said.",
      theirs.front().issuer, ours.front().issuer);
}

}  // namespace penstock::probe
