// A whole answer: its head gives the same fields, and its body the same end, however the bytes
// were cut. Seeds: fuzz/corpus/body, one hazard each. The cut comes from the last byte, which
// stays part of the input.
#include "http/body.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "http/answer.h"
#include "http/answer_fields.h"

namespace penstock::http {
namespace {

struct Outcome {
  bool good = true;
  bool done = false;
  uint64_t content = 0;
  size_t taken = 0;
};

Outcome read_in_pieces(BodyReader body, std::string_view bytes, size_t first, size_t step) {
  Outcome out;
  for (size_t at = 0, size = first; at < bytes.size() && !body.done(); size = step) {
    const auto piece = bytes.substr(at, size);
    at += size;
    const auto taken = body.take(piece);
    if (!taken) return {.good = false, .done = false, .content = body.bytes(), .taken = 0};
    PENSTOCK_CHECK(*taken == piece.size() || body.done());
    out.taken += *taken;
  }
  out.done = body.done();
  out.content = body.bytes();
  PENSTOCK_CHECK(out.content <= out.taken);
  return out;
}

bool same(const Outcome& a, const Outcome& b) {
  return a.good == b.good && a.done == b.done && a.content == b.content && a.taken == b.taken;
}

void judge_fields(std::string_view head) {
  constexpr std::string_view kSpecial = "\r\n";
  for (const ProxyStatus& status : proxy_statuses(head)) {
    PENSTOCK_CHECK(!status.proxy.empty());
    PENSTOCK_CHECK(status.error.find_first_of(" \t\";,=") == status.error.npos);
    PENSTOCK_CHECK(status.details.find_first_of(kSpecial) == status.details.npos);
  }
  for (const char* metric : {"resolve", "dial"}) {
    const auto span = server_timing(head, metric);
    PENSTOCK_CHECK(!span || (*span >= Duration::zero() &&
                             *span < std::chrono::hours(24) + std::chrono::milliseconds(1)));
  }
}

void judge(std::string_view bytes) {
  AnswerReader reader;
  if (!reader.advance(bytes).value_or(false)) return;
  const Answer answer = reader.answer(bytes);
  const std::string_view head = final_head(bytes, answer.length);
  PENSTOCK_CHECK(head.starts_with("HTTP/1.") && head.ends_with("\r\n\r\n"));
  judge_fields(head);
  const auto body = BodyReader::behind(head, answer.status);
  if (!body) return;
  const std::string_view rest = bytes.substr(answer.length);
  const Outcome whole = read_in_pieces(*body, rest, rest.size(), 1);
  const size_t cut = rest.empty() ? 0 : static_cast<uint8_t>(rest.back()) % rest.size();
  PENSTOCK_CHECK(same(read_in_pieces(*body, rest, cut, rest.size() + 1), whole));
  PENSTOCK_CHECK(same(read_in_pieces(*body, rest, 1, 1), whole));
}

}  // namespace
}  // namespace penstock::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  penstock::http::judge(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
