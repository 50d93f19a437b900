#include "http/page.h"

#include <algorithm>
#include <cstdint>

#include "base/ascii.h"
#include "base/json.h"
#include "http/structured.h"

namespace penstock::http {
namespace {

constexpr size_t kAcceptBytesMax = 1024;
constexpr int kRangesMax = 32;
constexpr size_t kHostBytesMax = 255;
constexpr size_t kIdBytesMax = 64;

// Nothing is fetched and nothing runs, whatever should slip into the page.
constexpr std::string_view kFields =
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n"
    "X-Content-Type-Options: nosniff\r\n";

constexpr std::string_view kFront = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>)";

constexpr std::string_view kStyle = R"(</title>
<style>
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --ink: #23211c; --faint: #6b675e; --line: #dcd8cd; --mark: #a6401f;
}
@media (prefers-color-scheme: dark) {
  :root { --paper: #191a1b; --ink: #e9e6df; --faint: #a19d94; --line: #3a3b3c; --mark: #f0996f; }
}
body {
  margin: 0; padding: 12vh 1.5rem 3rem; background: var(--paper); color: var(--ink);
  font: 1.05rem/1.6 system-ui, sans-serif; overflow-wrap: anywhere;
}
main { max-width: 36rem; margin: 0 auto; }
.by { margin: 0; color: var(--mark); font-weight: 600; letter-spacing: 0.02em; }
h1 { margin: 0.2rem 0 1rem; font-size: 1.9rem; line-height: 1.2; text-wrap: balance; }
dl {
  display: grid; grid-template-columns: max-content 1fr; gap: 0.35rem 1.5rem;
  margin: 2rem 0; padding: 1.2rem 0; border: solid var(--line); border-width: 1px 0;
}
dt { color: var(--faint); }
dd { margin: 0; }
code { font: 0.95em ui-monospace, monospace; }
.inspected { color: var(--faint); font-size: 0.95rem; }
@media (max-width: 28rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 0.6rem; } }
</style>
</head>
<body>
<main>
<p class="by">penstock</p>
<h1>)";

constexpr std::string_view kInspected =
    R"(<p class="inspected">This connection is inspected. The proxy (penstock) decrypts it, looks at each request and
encrypts it again; whoever runs the proxy can see what passes. The certificate that your program was shown
for this site is the proxy's.</p>
)";

constexpr std::string_view kBack = "</main>\n</body>\n</html>\n";

// Whose doing it was, for somebody who knows nothing of proxies.
struct SideWords {
  std::string_view title;
  std::string_view who;
};
SideWords words_of(const ErrorFacts& facts) {
  if (facts.proxy_status == "tls_certificate_error") {
    return {"The site is not what it should be", "the site, or somebody in its place"};
  }
  switch (facts.side) {
    case Side::kClient: return {"The request was not accepted", "the request, or who sent it"};
    case Side::kPolicy: return {"This is not allowed here", "the policy of this network"};
    case Side::kProxy: return {"The proxy cannot do this now", "the proxy"};
    case Side::kDns: return {"The site was not found", "the name servers"};
    case Side::kParent: return {"The next proxy did not connect", "the next proxy on the way"};
    case Side::kOrigin: return {"The site could not be reached", "the site"};
  }
  return {"The proxy cannot do this now", "the proxy"};
}

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c >= 0x20 && c < 0x7f ? c : '?';
    }
  }
}

void append_row(std::string& out, std::string_view term, std::string_view text, bool code = false) {
  if (text.empty()) return;
  ((out += "<dt>") += term) += code ? "</dt><dd><code>" : "</dt><dd>";
  append_escaped(out, text);
  out += code ? "</code></dd>\n" : "</dd>\n";
}

struct Written {
  const ErrorFacts& facts;
  const ErrorFacts* cause;  // null: none
  std::string_view host;
  std::string_view id;
  std::string_view fault;
};

std::string html_of(const Written& what) {
  const auto [title, who] = words_of(what.facts);
  std::string out(kFront);
  ((out += title) += " (penstock)") += kStyle;
  (out += title) += "</h1>\n<p>";
  append_escaped(out, what.facts.sentence);
  if (what.cause) {
    out += " The last failure: ";
    append_escaped(out, what.cause->sentence);
  }
  out += "</p>\n<dl>\n";
  append_row(out, "Site", what.host);
  append_row(out, "Told by", "the proxy, penstock; not the site");
  append_row(out, "Because of", who);
  append_row(out, "Reason", what.facts.word, true);
  append_row(out, "Found", what.fault);
  append_row(out, "Status", std::to_string(what.facts.status));
  append_row(out, "Log line", what.id, true);
  ((out += "</dl>\n") += kInspected) += kBack;
  return out;
}

std::string json_of(const Written& what) {
  std::string out;
  JsonWriter json(out);
  // RFC 9457 section 4.2.1: no more is meant than the status says, and `error` has the rest.
  json.begin_object()
      .field("type", "about:blank")
      .field("title", reason_phrase(what.facts.status))
      .field("status", what.facts.status)
      .field("detail", what.facts.sentence)
      .field("proxy", "penstock")
      .field("proxy_status", what.facts.proxy_status)
      .field("error", what.facts.word)
      .field("side", side_word(what.facts.side));
  if (what.cause) json.field("cause", what.cause->word);
  if (!what.host.empty()) json.field("host", what.host);
  if (!what.id.empty()) json.field("id", what.id);
  if (!what.fault.empty()) json.field("found", what.fault);
  json.field("inspected", true).end_object();
  out += '\n';
  return out;
}

// In thousandths; what is no weight is none.
int weight_of(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return 0;
  if (text.size() > 1 && text[1] != '.') return 0;
  int thousandths = (text[0] - '0') * 1000;
  int place = 100;
  for (const char c : text.substr(std::min<size_t>(2, text.size()))) {
    if (!is_digit(c)) return 0;
    thousandths += (c - '0') * place;
    place /= 10;
  }
  return std::min(thousandths, 1000);
}

int weight_among(std::string_view parameters) {
  while (!parameters.empty()) {
    const std::string_view parameter = trim(take_until(';', parameters));
    if (parameter.size() >= 2 && to_lower(parameter[0]) == 'q' && parameter[1] == '=') {
      return weight_of(parameter.substr(2));
    }
  }
  return 1000;
}

// Of a kind, the most specific range that was named, and its weight.
struct Wanted {
  int precision = -1;
  int weight = 0;

  void note(int how_precise, int how_much) {
    if (how_precise < precision) return;
    weight = how_precise > precision ? how_much : std::max(weight, how_much);
    precision = how_precise;
  }
};

}  // namespace

bool prefers_html(std::string_view accept) {
  std::string_view rest = accept.substr(0, kAcceptBytesMax);
  Wanted html, json;
  for (int i = 0; i < kRangesMax && !rest.empty(); ++i) {
    std::string_view parameters = take_until(',', rest);
    const std::string range = lower(trim(take_until(';', parameters)));
    const int weight = weight_among(parameters);
    if (range == "text/html" || range == "application/xhtml+xml") html.note(2, weight);
    if (range == "application/problem+json" || range == "application/json") json.note(2, weight);
    if (range == "text/*") html.note(1, weight);
    if (range == "application/*") json.note(1, weight);
    if (range == "*/*") json.note(0, weight);
  }
  return html.weight > 0 && html.weight >= json.weight;
}

std::string refusal_page(const Error& error, const PageDetails& details) {
  const auto& cause = details.refusal.cause;
  const Written what{error.facts(), cause ? &facts(*cause) : nullptr,
                     details.host.substr(0, kHostBytesMax), details.id.substr(0, kIdBytesMax),
                     details.fault};
  const bool html = prefers_html(details.accept);
  const std::string text = html ? html_of(what) : json_of(what);
  return refusal_with(error, details.refusal,
                      {.type = html ? "text/html; charset=utf-8" : "application/problem+json",
                       .fields = kFields,
                       .text = text,
                       .withheld = details.head});
}

}  // namespace penstock::http
