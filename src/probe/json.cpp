// The report for programs: docs/latency.md has its fields.
#include "base/json.h"
#include "probe/report.h"

namespace penstock::probe {
namespace {

void add_spans(JsonWriter& writer, const Timeline& timeline) {
  writer.key("phases").begin_array();
  for (const Span& span : timeline.spans) {
    const PhaseFacts& phase = facts(span.phase);
    writer.begin_object()
        .field("phase", phase.word)
        .field("start_ms", millis(span.start))
        .field("end_ms", millis(span.end))
        .field("duration_ms", millis(span.length()))
        .field("from", phase.from)
        .field("to", phase.to)
        .field("visible_to_proxy", visible_to_proxy(span.phase, timeline.way))
        .field("encrypted", encrypted(span.phase, timeline.way))
        .field("note", span.note);
    if (span.rtt_us) writer.field("rtt_ms", *span.rtt_us / 1000.0);
    if (span.failed) writer.field("failed", true);
    writer.end_object();
  }
  writer.end_array();
  writer.field("total_ms", millis(timeline.total()));
}

void add_tls(JsonWriter& writer, const char* name, const TlsFacts& tls) {
  writer.key(name).begin_object();
  writer.field("version", tls.version)
      .field("cipher", tls.cipher)
      .field("group", tls.group)
      .field("alpn", tls.alpn)
      .field("hello_retry", tls.retried)
      .field("verdict", tls.trust.word)
      .field("trusted", tls.trust.good())
      .field("private_authority", tls.trust.private_authority)
      .field("meaning", tls.trust.meaning)
      .field("advice", tls.trust.advice);
  writer.key("chain").begin_array();
  for (const Certificate& one : tls.trust.chain) {
    writer.begin_object()
        .field("subject", one.subject)
        .field("issuer", one.issuer)
        .field("expires", one.expires)
        .field("sha256", one.fingerprint)
        .end_object();
  }
  writer.end_array().end_object();
}

void add_failure(JsonWriter& writer, const Measured& run) {
  if (!run.timeline.failure) return;
  const Failure& failure = *run.timeline.failure;
  writer.key("failure")
      .begin_object()
      .field("phase", facts(failure.phase).word)
      .field("what", failure.what)
      .field("advice", failure.advice);
  if (run.refusal) {
    writer.field("proxy_answered", run.refusal->status)
        .field("proxy", run.refusal->proxy)
        .field("error", run.refusal->error)
        .field("details", run.refusal->details);
  }
  writer.end_object();
}

void add_runs(JsonWriter& writer, const char* name, const std::vector<Measured>& runs) {
  writer.key(name).begin_array();
  for (const Measured& run : runs) {
    writer.begin_object().field("good", run.good());
    writer.field("peer", run.peer ? run.peer->text() : "");
    add_spans(writer, run.timeline);
    if (run.proxy_tls) add_tls(writer, "proxy_tls", *run.proxy_tls);
    if (run.tls) add_tls(writer, "tls", *run.tls);
    writer.field("status", run.status).field("bytes", run.bytes);
    add_failure(writer, run);
    writer.end_object();
  }
  writer.end_array();
}

void add_spread(JsonWriter& writer, std::string_view name, const Spread& spread) {
  if (spread.count == 0) return;
  writer.key(name)
      .begin_object()
      .field("count", spread.count)
      .field("min_ms", millis(spread.min))
      .field("median_ms", millis(spread.median))
      .field("p95_ms", millis(spread.p95))
      .end_object();
}

void add_summary(JsonWriter& writer, const char* name, const std::vector<Measured>& runs) {
  writer.key(name).begin_object();
  for (const Phase phase : phases_of(timelines_of(runs))) {
    if (!facts(phase).instant) add_spread(writer, facts(phase).word, spread_of(runs, phase));
  }
  add_spread(writer, "total", spread_of_total(runs));
  writer.end_object();
}

void add_models(JsonWriter& writer, const std::vector<Named>& models) {
  writer.key("models").begin_array();
  for (const Named& one : models) {
    writer.begin_object().field("way", one.name);
    add_spans(writer, one.timeline);
    writer.end_object();
  }
  writer.end_array();
}

}  // namespace

std::string json(const Found& found) {
  std::string out;
  JsonWriter writer(out);
  writer.begin_object();
  if (found.options.model) {
    add_models(writer, predict_all(found.options));
    writer.end_object();
    return out;
  }
  writer.field("url", found.options.url.text())
      .field("proxy", found.options.proxy ? found.options.proxy->text() : "")
      .field("proxy_from", found.options.proxy_from)
      .field("good", found.good());
  add_summary(writer, "summary", found.runs);
  add_runs(writer, "runs", found.runs);
  if (found.options.compare == Compare::kDirect) {
    add_summary(writer, "direct_summary", found.direct);
    add_runs(writer, "direct_runs", found.direct);
    writer.field("chains", compare_chains(*typical(found.runs), *typical(found.direct)));
  }
  if (found.options.compare == Compare::kModel) {
    writer.field("model_of", fitted_to(found).sources);
    add_models(writer, {{"model", predicted(found)}});
  }
  writer.end_object();
  return out;
}

}  // namespace penstock::probe
