#include "http/reply.h"

#include <algorithm>
#include <chrono>
#include <string_view>

#include "base/check.h"

namespace penstock::http {
namespace {

// Milliseconds with three decimals, the unit of Server-Timing. Integers, so that no locale can
// put a comma where the field's grammar wants a point.
void append_millis(std::string& out, Duration span) {
  const auto micros =
      std::max<int64_t>(0, std::chrono::duration_cast<std::chrono::microseconds>(span).count());
  const std::string fraction = std::to_string(micros % 1000);
  out += std::to_string(micros / 1000);
  out += '.';
  out.append(3 - fraction.size(), '0');
  out += fraction;
}

}  // namespace

std::string_view reason_phrase(int status) {
  switch (status) {
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 407: return "Proxy Authentication Required";
    case 408: return "Request Timeout";
    case 421: return "Misdirected Request";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "";
  }
}

std::string established_reply(const std::optional<ServerTiming>& timing) {
  std::string out = "HTTP/1.1 200 Connection Established\r\nProxy-Status: penstock\r\n";
  if (timing) {
    out += "Server-Timing: resolve;dur=";
    append_millis(out, timing->resolve);
    out += ", dial;dur=";
    append_millis(out, timing->dial);
    out += "\r\n";
  }
  out += "\r\n";
  return out;
}

std::string refusal_reply(const Error& error, const RefusalDetails& details) {
  std::string body = "penstock: ";
  body += error.facts().sentence;
  if (details.cause) {
    body += " The last failure: ";
    body += penstock::facts(*details.cause).sentence;
  }
  body += '\n';
  return refusal_with(error, details, {.type = "text/plain; charset=utf-8", .text = body});
}

std::string refusal_with(const Error& error, const RefusalDetails& details,
                         const RefusalBody& body) {
  const auto& [retry_after, cause, behind, challenges, may_repeat] = details;
  const ErrorFacts& facts = error.facts();
  const std::string_view reason = reason_phrase(facts.status);
  PENSTOCK_CHECK(!reason.empty());  // also: status 0 means that nobody is listening

  std::string out = "HTTP/1.1 ";
  out += std::to_string(facts.status);
  out += ' ';
  out += reason;
  // A structured field (RFC 8941). Token and words come from error.def, which a test keeps free
  // of quotes and backslashes, so nothing needs escaping.
  out += "\r\nProxy-Status: ";
  if (!behind.empty()) (out += behind) += ", ";
  out += "penstock; error=";
  out += facts.proxy_status;
  out += "; details=\"";
  out += facts.word;
  if (cause) {
    out += ": ";
    out += penstock::facts(*cause).word;
  }
  out += "\"\r\nContent-Type: ";
  out += body.type;
  out += "\r\nContent-Length: ";
  out += std::to_string(body.text.size());
  if (retry_after) {
    out += "\r\nRetry-After: ";
    out += std::to_string(std::max(0, *retry_after));
  }
  out += "\r\n";
  out += challenges;
  out += body.fields;
  // RFC 9931: what follows a refused CONNECT is not a request, so the connection ends here.
  if (!may_repeat) out += "Connection: close\r\n";
  out += "Cache-Control: no-store\r\n\r\n";
  if (!body.withheld) out += body.text;
  return out;
}

}  // namespace penstock::http
