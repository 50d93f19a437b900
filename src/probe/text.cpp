// The report for people.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>

#include "probe/report.h"

namespace penstock::probe {
namespace {

using Output = std::back_insert_iterator<std::string>;

std::string figure(Duration span) {
  return fmt::format("{:>10.2f}", millis(span));
}

std::string figure(const Spread& spread, Duration value) {
  return spread.count == 0 ? fmt::format("{:>10}", "-") : figure(value);
}

bool is_instant(Phase phase) {
  return facts(phase).instant;
}

// Of one run: when each phase began, how long it took, the round trip time that TCP knew then.
Columns columns_of(const Timeline& timeline) {
  Columns out{.head = fmt::format("{:>10}{:>10}{:>10}", "start ms", "took ms", "rtt ms"),
              .rows = {}};
  for (const Phase phase : phases_of({&timeline})) {
    const Span& span = *timeline.find(phase);
    const std::string rtt =
        span.rtt_us ? fmt::format("{:>10.2f}", *span.rtt_us / 1000.0) : fmt::format("{:>10}", "");
    out.rows.push_back(figure(span.start) +
                       (is_instant(phase) ? fmt::format("{:>10}", "") : figure(span.length())) +
                       rtt);
  }
  return out;
}

Columns columns_of(const Timeline& timeline, const std::vector<Measured>& runs) {
  Columns out{.head = fmt::format("{:>10}{:>10}{:>10}", "min ms", "median", "p95"), .rows = {}};
  for (const Phase phase : phases_of({&timeline})) {
    const Spread spread = spread_of(runs, phase);
    out.rows.push_back(is_instant(phase)
                           ? fmt::format("{:>30}", "")
                           : figure(spread, spread.min) + figure(spread, spread.median) +
                                 figure(spread, spread.p95));
  }
  return out;
}

void add_total(std::string& out, const std::vector<Measured>& runs) {
  const Spread total = spread_of_total(runs);
  if (total.count == 0) return;
  if (runs.size() == 1) {
    fmt::format_to(Output(out), "  {:<22}{:>10}{}\n", "total", "", figure(total.median));
    return;
  }
  fmt::format_to(Output(out), "  {:<22}{}{}{}\n", "total", figure(total.min), figure(total.median),
                 figure(total.p95));
}

// A sentence of any length in lines that fit, each behind `margin`; `first` stands in front of the
// first one.
void add_wrapped(std::string& out, std::string_view first, size_t margin, std::string_view words,
                 const Style& style) {
  const auto width = static_cast<size_t>(std::clamp(style.columns, 60, 110));
  std::string line = fmt::format("{:<{}}", first, margin);
  bool fresh = true;
  while (!words.empty()) {
    const size_t end = std::min(words.find(' '), words.size());
    const std::string_view word = words.substr(0, end);
    words.remove_prefix(std::min(end + 1, words.size()));
    if (!fresh && line.size() + 1 + word.size() > width) {
      out += line + '\n';
      line = std::string(margin, ' ');
      fresh = true;
    }
    line += (fresh ? "" : " ") + std::string(word);
    fresh = false;
  }
  out += line + '\n';
}

void add_chain(std::string& out, const Trust& trust, bool explained, const Style& style) {
  for (size_t i = 0; i < trust.chain.size(); ++i) {
    const Certificate& one = trust.chain[i];
    fmt::format_to(Output(out), "  {:<12}{} {}\n  {:<12}  signed by {}, until {}\n",
                   i == 0 ? "chain" : "", i, one.subject, "", one.issuer, one.expires);
  }
  add_wrapped(out, "  trust", 14, explained ? trust.word + ". " + trust.meaning : trust.word,
              style);
  if (explained && !trust.advice.empty()) add_wrapped(out, "", 14, trust.advice, style);
}

// `explained`: what is wrong with the chain is said here, and not as the reason of a failure.
void add_tls(std::string& out, const char* name, const TlsFacts& tls, bool explained,
             const Style& style) {
  fmt::format_to(Output(out), "  {:<12}{}, {}{}, ALPN {}\n", name, tls.version, tls.cipher,
                 tls.group.empty() ? "" : ", " + tls.group, tls.alpn.empty() ? "none" : tls.alpn);
  add_chain(out, tls.trust, explained, style);
}

void add_share(std::string& out, const std::vector<Measured>& runs) {
  const Spread dial = spread_of(runs, Phase::kProxyDial);
  if (dial.count > 0) return;  // it stands in the waterfall
  if (spread_of(runs, Phase::kConnect).count == 0) return;
  out +=
      "  proxy       says nothing of its own share (Server-Timing); penstock does with "
      "`server_timing: true`\n";
}

void add_failure(std::string& out, const char* whose, const std::vector<Measured>& runs,
                 const Style& style) {
  const auto failed = static_cast<size_t>(
      std::ranges::count_if(runs, [](const Measured& run) { return !run.good(); }));
  if (failed == 0) return;
  const auto last = std::ranges::find_if(runs.rbegin(), runs.rend(),
                                         [](const Measured& run) { return !run.good(); });
  const Failure& failure = *last->timeline.failure;
  out += '\n';
  add_wrapped(
      out, "", 2,
      fmt::format("{}failed at \"{}\": {}", whose, facts(failure.phase).title, failure.what),
      style);
  if (!failure.advice.empty()) add_wrapped(out, "", 2, failure.advice, style);
  if (runs.size() > 1) {
    fmt::format_to(Output(out), "  ({} of {} runs failed; this is the last of them)\n", failed,
                   runs.size());
  }
}

void add_runs(std::string& out, const std::vector<Measured>& runs, const Style& style) {
  const Measured& run = *typical(runs);
  const bool one = runs.size() == 1;
  out += waterfall(run.timeline, one ? columns_of(run.timeline) : columns_of(run.timeline, runs),
                   style);
  add_total(out, runs);
  if (run.proxy_tls || run.tls) out += '\n';
  const bool explained = run.good();
  if (run.proxy_tls) add_tls(out, "proxy TLS", *run.proxy_tls, explained, style);
  if (run.tls) add_tls(out, "TLS", *run.tls, explained, style);
  if (run.status != 0) {
    fmt::format_to(Output(out), "  {:<12}{}, {} bytes\n", "answer", run.status, run.bytes);
  }
}

struct Side {
  std::string name;
  std::function<std::optional<Duration>(Phase)> length;
  Duration total;
};

// Hundredths, and no -0.00.
double rounded(Duration span) {
  return std::round(millis(span) * 100) / 100 + 0.0;
}

std::string_view shared_title(Phase phase) {
  if (phase == Phase::kProxyLookup || phase == Phase::kOriginLookup) return "name";
  if (phase == Phase::kProxyTcp || phase == Phase::kOriginTcp) return "TCP";
  return facts(phase).title;
}

void add_side_by_side(std::string& out, const std::vector<Phase>& phases, const Side& left,
                      const Side& right) {
  fmt::format_to(Output(out), "  {:<22}{:>12}{:>12}{:>12}\n", "phase, ms", left.name, right.name,
                 "difference");
  const auto add = [&](std::string_view title, std::optional<Duration> a,
                       std::optional<Duration> b) {
    const auto cell = [](std::optional<Duration> value) {
      return value ? fmt::format("{:>12.2f}", millis(*value)) : fmt::format("{:>12}", "-");
    };
    fmt::format_to(Output(out), "  {:<22}{}{}{:>+12.2f}\n", title, cell(a), cell(b),
                   rounded(a.value_or(Duration{}) - b.value_or(Duration{})));
  };
  for (const Phase phase : phases) {
    if (is_instant(phase) || facts(phase).inside) continue;
    const auto a = left.length(phase), b = right.length(phase);
    if (a || b) add(shared_title(phase), a, b);
  }
  add("total", left.total, right.total);
}

// One value of each phase's spread; look-up and TCP of the other way count as this one's.
Side side_of(const char* name, const std::vector<Measured>& runs, Duration Spread::* value) {
  return {name,
          [&runs, value](Phase phase) -> std::optional<Duration> {
            Spread spread = spread_of(runs, phase);
            for (const Phase other : {Phase::kOriginLookup, Phase::kOriginTcp}) {
              if (spread.count == 0 && counterpart(other) == phase) spread = spread_of(runs, other);
            }
            if (spread.count == 0) return std::nullopt;
            return spread.*value;
          },
          spread_of_total(runs).*value};
}

Side side_of(const char* name, const Timeline& timeline) {
  return {name,
          [&timeline](Phase phase) -> std::optional<Duration> {
            const Span* const span = timeline.find(phase);
            if (!span) return std::nullopt;
            return span->length();
          },
          timeline.total()};
}

void add_comparison(std::string& out, const Found& found, const Style& style) {
  if (found.options.compare == Compare::kDirect) {
    std::vector<Phase> phases = phases_of(timelines_of(found.runs));
    out += "\n";
    add_side_by_side(out, phases, side_of("proxied", found.runs, &Spread::median),
                     side_of("direct", found.direct, &Spread::median));
    const std::string chains = compare_chains(*typical(found.runs), *typical(found.direct));
    if (!chains.empty()) {
      out += '\n';
      add_wrapped(out, "", 2, chains, style);
    }
  }
  if (found.options.compare == Compare::kModel) {
    // The model has no queues and no busy machines: the fastest is what comes nearest to it.
    const Timeline model = predicted(found);
    out += "\n";
    add_side_by_side(out, phases_of({&model}), side_of("fastest", found.runs, &Spread::min),
                     side_of("model", model));
    out += '\n';
    add_wrapped(out, "", 2, "model of " + fitted_to(found).sources, style);
  }
}

// Predictions beside each other; the chosen one as a waterfall.
std::string model_text(const Found& found, const Style& style) {
  const auto all = predict_all(found.options);
  const Assumptions& assumed = found.options.assumptions;
  std::string out = what_ran(found.options) + "\n\n";
  fmt::format_to(Output(out), "  {:<22}{:>12}{:>12}{:>12}\n", "phase, ms", all[0].name, all[1].name,
                 all[2].name);
  std::vector<const Timeline*> timelines;
  timelines.reserve(all.size());
  for (const Named& one : all) timelines.push_back(&one.timeline);
  for (const Phase phase : phases_of(timelines)) {
    if (is_instant(phase) || phase == Phase::kDownload) continue;
    fmt::format_to(Output(out), "  {:<22}",
                   (facts(phase).inside ? "  " : "") + std::string(facts(phase).title));
    for (const Timeline* one : timelines) {
      const Span* const span = one->find(phase);
      out += span ? fmt::format("{:>12.2f}", millis(span->length())) : fmt::format("{:>12}", "-");
    }
    out += '\n';
  }
  fmt::format_to(Output(out), "  {:<22}{:>12.2f}{:>12.2f}{:>12.2f}\n", "first byte after",
                 millis(all[0].timeline.total()), millis(all[1].timeline.total()),
                 millis(all[2].timeline.total()));
  const Named& chosen = all[assumed.secure_proxy ? 2 : 1];
  fmt::format_to(Output(out), "\n{}:\n", chosen.name);
  return out + waterfall(chosen.timeline, columns_of(chosen.timeline), style);
}

std::string_view word(Handshake handshake) {
  switch (handshake) {
    case Handshake::kTls13: return "TLS 1.3";
    case Handshake::kTls12: return "TLS 1.2";
    case Handshake::kResumed: return "TLS 1.3 resumed";
    case Handshake::kZeroRtt: return "TLS 1.3 with early data";
  }
  return "TLS";
}

std::string what_is_assumed(const Options& options) {
  const Network network = fit(options.assumptions, {}).network;
  return fmt::format(
      "model: round trips client-proxy {:g} ms, proxy-origin {:g} ms, client-origin {:g} ms; "
      "resolve {:g} ms; {}{}",
      millis(network.client_proxy), millis(network.proxy_origin), millis(network.client_origin),
      millis(network.resolve), word(network.handshake), network.spares ? "; spares" : "");
}

}  // namespace

std::string what_ran(const Options& options) {
  if (options.model) return what_is_assumed(options);
  const std::string why = options.proxy_from.empty() ? "" : " (" + options.proxy_from + ")";
  return fmt::format("GET {} {}{}", options.url.text(),
                     options.proxy ? "through " + options.proxy->text() : "directly", why);
}

double millis(Duration span) {
  return std::chrono::duration<double, std::milli>(span).count();
}

std::string text(const Found& found, const Style& style) {
  if (found.options.model) return model_text(found, style);
  std::string out = what_ran(found.options) + "\n";
  if (found.runs.size() > 1) {
    fmt::format_to(Output(out), "{} runs; the bars are those of the run with the median total\n",
                   found.runs.size());
  }
  out += '\n';
  add_runs(out, found.runs, style);
  add_share(out, found.runs);
  add_failure(out, "", found.runs, style);
  add_failure(out, "directly ", found.direct, style);
  add_comparison(out, found, style);
  return out;
}

}  // namespace penstock::probe
