#include "icap/heads.h"

#include <utility>

#include "base/ascii.h"
#include "http/answer.h"
#include "http/request_parts.h"

namespace penstock::icap {
namespace {

using http::BodyReader;
using http::Field;

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kHeadEnd = "\r\n\r\n";

std::string_view lines_of(std::string_view head) {
  const size_t first = head.find(kLineEnd) + kLineEnd.size();
  return head.substr(first, head.size() - kLineEnd.size() - first);
}

bool is_framing(const Field& field) {
  return equals_ignoring_case(field.name, "transfer-encoding");
}

// Of an answer alone: what a request has there asks for a WebSocket.
bool is_closing(const Field& field) {
  return equals_ignoring_case(field.name, "connection") &&
         equals_ignoring_case(field.value, "close");
}

// The fields of a head of ours; the last Via is the one that we have added. `counts_down`: it is of
// a request whose Max-Forwards will be counted down once more when it is read again.
void append_shown_fields(std::string& out, std::string_view lines, bool counts_down = false) {
  size_t vias = 0;
  Field field;
  for (std::string_view rest = lines; http::take_field(rest, field);) {
    if (equals_ignoring_case(field.name, "via")) ++vias;
  }
  while (http::take_field(lines, field)) {
    if (equals_ignoring_case(field.name, "via") && --vias == 0) continue;
    if (is_framing(field) || is_closing(field)) continue;
    out.append(field.name).append(": ");
    const bool counted = counts_down && equals_ignoring_case(field.name, "max-forwards");
    const auto left = counted ? parse_decimal(field.value, http::kLengthMax) : std::nullopt;
    out.append(left ? std::to_string(*left + 1) : std::string(field.value)).append(kLineEnd);
  }
  out += kLineEnd;
}

struct Framing {
  std::optional<uint64_t> length{};
  bool chunked = false;
};

// As far as there is one; the readers of HTTP judge it.
Framing framing_of(std::string_view lines) {
  Framing out;
  for (Field field; http::take_field(lines, field);) {
    if (is_framing(field)) out.chunked = true;
    if (!equals_ignoring_case(field.name, "content-length")) continue;
    out.length = parse_decimal(field.value, http::kLengthMax);
  }
  return out;
}

// One head and nothing else.
bool is_one_head(std::string_view text) {
  return !text.starts_with(kLineEnd) && text.size() > kHeadEnd.size() &&
         text.find(kHeadEnd) == text.size() - kHeadEnd.size();
}

std::string with_field(std::string_view head, std::string_view line) {
  std::string out(head.substr(0, head.size() - kLineEnd.size()));
  return out.append(line).append(kHeadEnd);
}

Code of_service(Code why) {
  return why == Code::kFronting || why == Code::kScheme || why == Code::kHostMismatch
             ? Code::kIcapDestination
             : Code::kIcapAnswer;
}

http::HeadLimits widened(const http::HeadLimits& limits) {
  return {limits.bytes + kAddedBytesMax, limits.fields + kAddedFieldsMax};
}

}  // namespace

std::string shown_head(const http::ForwardRequest& request) {
  const std::string_view head = request.head;
  const size_t space = head.find(' ');
  const std::string_view path = head.substr(space + 1, head.find(' ', space + 1) - space - 1);
  std::string_view lines = lines_of(head);
  Field host;
  http::take_field(lines, host);  // that is what it begins with
  std::string out = request.method + " https://" + std::string(host.value);
  if (path != "*") out += path;
  out.append(" HTTP/1.1\r\nHost: ").append(host.value).append(kLineEnd);
  append_shown_fields(out, lines, request.method == "OPTIONS");
  return out;
}

std::string shown_head(const http::ForwardAnswer& answer) {
  const std::string_view head = answer.head;
  std::string out(head.substr(0, head.find(kLineEnd) + kLineEnd.size()));
  append_shown_fields(out, lines_of(head));
  return out;
}

Result<ChangedRequest> read_request(std::string_view head, bool body,
                                    const http::ForwardRequest& original,
                                    const http::HeadLimits& limits, std::string_view pseudonym) {
  if (!is_one_head(head)) return fail(Code::kIcapAnswer);
  const Framing framing = framing_of(lines_of(head));
  const bool framed = framing.length || framing.chunked;
  // Chunks of a service end its body, and not what it says of them.
  const std::string text =
      body && !framed ? with_field(head, "Transfer-Encoding: chunked") : std::string(head);
  auto parsed =
      http::parse_forward(text, widened(limits), pseudonym, original.carrier, &original.target);
  if (!parsed) return fail(of_service(parsed.error().code));
  if (!body && !parsed->body.done()) return fail(Code::kIcapAnswer);
  if (body && framing.length == 0) return fail(Code::kIcapAnswer);
  // What the client takes for the end of its answer depends on these.
  if (parsed->to_head != original.to_head || parsed->websocket != original.websocket) {
    return fail(Code::kIcapAnswer);
  }
  parsed->persists = original.persists;
  parsed->http_1_0 = original.http_1_0;
  parsed->binds = parsed->binds || original.binds;
  if (body) parsed->body = BodyReader::chunked();
  return ChangedRequest{std::move(*parsed), body ? framing.length : std::nullopt};
}

Result<ChangedAnswer> read_answer(std::string_view head, bool body,
                                  const http::ForwardRequest& request, bool may_persist,
                                  const http::HeadLimits& limits, std::string_view pseudonym) {
  const http::HeadLimits wide = widened(limits);
  http::AnswerReader reader({wide.bytes, wide.fields}, http::Stop::kAtEach);
  const auto complete = reader.advance(head);
  if (!complete || !*complete) return fail(Code::kIcapAnswer);
  const http::Answer read = reader.answer(head);
  if (read.length != head.size() || read.status / 100 == 1) return fail(Code::kIcapAnswer);
  const Framing framing = framing_of(lines_of(head));
  const bool bare = request.to_head || http::never_has_body(read.status);
  const bool says_nothing = !bare && !body && !framing.length && !framing.chunked;
  const std::string text = says_nothing ? with_field(head, "Content-Length: 0") : std::string(head);
  auto parsed = http::parse_forward_answer(text, request, may_persist, pseudonym);
  if (!parsed) return fail(Code::kIcapAnswer);
  if (!body && !parsed->body.done()) return fail(Code::kIcapAnswer);
  if (body && !request.to_head) {
    if (parsed->body.done()) return fail(Code::kIcapAnswer);
    parsed->body = BodyReader::chunked();
    return ChangedAnswer{std::move(*parsed), framing.length};
  }
  return ChangedAnswer{std::move(*parsed)};
}

}  // namespace penstock::icap
