// A request to be forwarded, also one inside a tunnel, or an origin's answer (what begins with
// "HTTP/"): what is accepted is written anew as a head that is as strict, that says once where its
// body ends, and that tells the next hop nothing that was for this one. Bodies in chunks read alike
// however they were cut, and read back the same from our own chunks. Seeds: fuzz/corpus/forward,
// one hazard each.
#include "http/forward.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "base/ascii.h"
#include "base/check.h"
#include "http/answer.h"
#include "http/request_parts.h"

namespace penstock::http {
namespace {

constexpr HeadLimits kLimits{4096, 32};
constexpr std::string_view kMe = "penstock-fuzz";
constexpr std::array<std::string_view, 6> kForThisHop = {
    "keep-alive", "te", "trailer", "proxy-connection", "proxy-authorization", "proxy-authenticate"};

// What the whole of `bytes` is, read in pieces of `step`; nothing: it is faulty.
struct Content {
  bool good = true;
  bool done = false;
  std::string text;
  size_t taken = 0;
  friend bool operator==(const Content&, const Content&) = default;
};

Content read(BodyReader body, std::string_view bytes, size_t step) {
  Content out;
  while (out.taken < bytes.size() && !body.done()) {
    const auto piece = body.next(bytes.substr(out.taken, step));
    if (!piece) return {.good = false, .done = false, .text = {}, .taken = 0};
    PENSTOCK_CHECK(piece->taken > 0 && piece->content.size() <= piece->taken);
    out.text += piece->content;
    out.taken += piece->taken;
  }
  out.done = body.done();
  return out;
}

void judge_body(const BodyReader& body, std::string_view bytes) {
  const Content whole = read(body, bytes, bytes.size() + 1);
  PENSTOCK_CHECK(read(body, bytes, 1) == whole);
  PENSTOCK_CHECK(read(body, bytes, 7) == whole);
  if (!whole.good || whole.text.empty()) return;
  char digits[17];
  const int length = snprintf(digits, sizeof(digits), "%zx", whole.text.size());
  const std::string ours =
      std::string(digits, static_cast<size_t>(length)) + "\r\n" + whole.text + "\r\n0\r\n\r\n";
  const Content again = read(BodyReader::chunked(), ours, 3);
  PENSTOCK_CHECK(again.done && again.text == whole.text && again.taken == ours.size());
}

// The fields of a head that we wrote.
void judge_fields(std::string_view lines, bool framed_once) {
  KeyFields keys;
  bool via = false;
  Field field;
  while (take_field(lines, field)) {
    note_key(keys, field);
    for (const std::string_view name : kForThisHop) {
      PENSTOCK_CHECK(!equals_ignoring_case(field.name, name));
    }
    via = via || (equals_ignoring_case(field.name, "via") && field.value.ends_with(kMe));
  }
  PENSTOCK_CHECK(via);
  PENSTOCK_CHECK(!keys.second_host && !keys.second_content_length &&
                 !keys.second_transfer_encoding);
  PENSTOCK_CHECK(!(keys.content_length && keys.transfer_encoding));
  PENSTOCK_CHECK(!framed_once || !keys.transfer_encoding || *keys.transfer_encoding == "chunked");
}

void judge_request(std::string_view bytes) {
  HeadReader reader(kLimits);
  if (!reader.advance(bytes).value_or(false)) return;
  const auto head = bytes.substr(0, reader.length());
  const auto request = parse_forward(head, kLimits, kMe);
  if (is_connect(head)) PENSTOCK_CHECK(!request);
  if (!request) return;
  PENSTOCK_CHECK(!parse_connect(head, kLimits) && !parse_get(head, kLimits));
  PENSTOCK_CHECK(request->target.port != 0);
  PENSTOCK_CHECK(parse_authority(request->target.text()) == request->target);

  constexpr HeadLimits kOurs{2 * kLimits.bytes, kLimits.fields + 6};
  const auto sent = read_parts(request->head, kOurs);
  PENSTOCK_CHECK(sent.has_value());
  PENSTOCK_CHECK(sent->words.method == request->method && !sent->words.http_1_0);
  PENSTOCK_CHECK(sent->words.target.starts_with('/') || sent->words.target == "*");
  const auto host = read_host(*sent);
  PENSTOCK_CHECK(host && *host && (*host)->agrees_with(request->target));
  judge_fields(sent->lines, true);
  PENSTOCK_CHECK(!request->repeatable() || request->body.done());
  // By Via we know it again.
  const auto looped =
      parse_forward(request->method + " http://" + request->target.text() +
                        (sent->words.target == "*" ? "" : std::string(sent->words.target)) +
                        " HTTP/1.1\r\n" + request->head.substr(request->head.find("\r\n") + 2),
                    kOurs, kMe);
  PENSTOCK_CHECK(!looped && (looped.error().code == Code::kViaLoop));
  judge_body(request->body, bytes.substr(reader.length()));
}

// The same inside a tunnel to "a:443", where it may be in the origin's form.
void judge_request_inside(std::string_view bytes) {
  static const Authority kInside{"a", {}, 443};
  HeadReader reader(kLimits);
  if (!reader.advance(bytes).value_or(false)) return;
  const auto request =
      parse_forward(bytes.substr(0, reader.length()), kLimits, kMe, Carrier::kConnection, &kInside);
  if (!request) return;
  PENSTOCK_CHECK(request->target == kInside && request->method != "CONNECT");
  constexpr HeadLimits kOurs{2 * kLimits.bytes, kLimits.fields + 6};
  const auto sent = read_parts(request->head, kOurs);
  PENSTOCK_CHECK(sent.has_value());
  PENSTOCK_CHECK(sent->words.target.starts_with('/') || sent->words.target == "*");
  const auto host = read_host(*sent);
  PENSTOCK_CHECK(host && *host && (*host)->agrees_with(kInside));
  judge_fields(sent->lines, true);
}

void judge_answer(std::string_view bytes) {
  AnswerReader reader({kLimits.bytes, kLimits.fields}, Stop::kAtEach);
  if (!reader.advance(bytes).value_or(false)) return;
  const size_t length = reader.answer(bytes).length;
  for (const bool to_head : {false, true}) {
    ForwardRequest request;
    request.persists = true;
    request.to_head = to_head;
    request.websocket = !to_head;
    const auto answer = parse_forward_answer(bytes.substr(0, length), request, true, kMe);
    if (!answer) continue;
    AnswerReader again({2 * kLimits.bytes, kLimits.fields + 6}, Stop::kAtEach);
    PENSTOCK_CHECK(again.advance(answer->head).value_or(false));
    PENSTOCK_CHECK(again.answer(answer->head).length == answer->head.size());
    PENSTOCK_CHECK(again.answer(answer->head).status == answer->status);
    const size_t line = answer->head.find("\r\n") + 2;
    judge_fields(std::string_view(answer->head).substr(line, answer->head.size() - line - 2), true);
    if (!to_head) judge_body(answer->body, bytes.substr(length));
  }
}

}  // namespace
}  // namespace penstock::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (bytes.starts_with("HTTP/")) {
    penstock::http::judge_answer(bytes);
  } else {
    penstock::http::judge_request(bytes);
    penstock::http::judge_request_inside(bytes);
  }
  // Chunked framing is also what the first bytes may be.
  penstock::http::judge_body(penstock::http::BodyReader::chunked(), bytes);
  return 0;
}
