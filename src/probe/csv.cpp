// A row for each phase of each run, boundaries among them: CONNECT with its authority, the tunnel's
// establishment and the point from which all is encrypted are rows of their own.
#include <fmt/format.h>

#include <iterator>
#include <string_view>

#include "probe/report.h"

namespace penstock::probe {
namespace {

// RFC 4180. A field that a spreadsheet would take for a formula cannot begin one: notes that come
// from outside begin with words of ours, or with a status line.
std::string quoted(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == text.npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    out += c;
    if (c == '"') out += c;
  }
  return out + '"';
}

void add(std::string& out, std::string_view run, const Timeline& timeline) {
  for (const Span& span : timeline.spans) {
    const PhaseFacts& phase = facts(span.phase);
    fmt::format_to(std::back_inserter(out), "{},{},{:.3f},{:.3f},{:.3f},{},{},{},{},{}\n", run,
                   phase.word, millis(span.start), millis(span.end), millis(span.length()),
                   phase.from, phase.to, visible_to_proxy(span.phase, timeline.way),
                   encrypted(span.phase, timeline.way), quoted(span.note));
  }
  fmt::format_to(std::back_inserter(out), "{},total,0.000,{:.3f},{:.3f},client,origin,,,{}\n", run,
                 millis(timeline.total()), millis(timeline.total()),
                 timeline.failure ? "failed" : "");
}

}  // namespace

std::string csv(const Found& found) {
  std::string out =
      "run,phase,start_ms,end_ms,duration_ms,from,to,visible_to_proxy,encrypted,note\n";
  if (found.options.model) {
    for (const Named& one : predict_all(found.options)) add(out, "model " + one.name, one.timeline);
    return out;
  }
  for (size_t i = 0; i < found.runs.size(); ++i) {
    add(out, fmt::format("{}", i + 1), found.runs[i].timeline);
  }
  for (size_t i = 0; i < found.direct.size(); ++i) {
    add(out, fmt::format("direct {}", i + 1), found.direct[i].timeline);
  }
  if (found.options.compare == Compare::kModel) add(out, "model", predicted(found));
  return out;
}

}  // namespace penstock::probe
