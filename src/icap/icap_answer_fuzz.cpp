// What a service of ICAP says: its head, its options, and the head of HTTP inside. Nothing depends
// on how the bytes are cut, everything stays within its bounds, and whatever is taken for a request
// or an answer goes where the original went and is framed by us. Seeds: fuzz/corpus/icap_answer.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "http/answer.h"
#include "http/request_parts.h"
#include "icap/answer.h"
#include "icap/heads.h"

namespace penstock::icap {
namespace {

constexpr size_t kInsideMax = 4096;
constexpr http::HeadLimits kLimits{};
const http::Authority kInside{"a.test", std::nullopt, 443};

const http::ForwardRequest& original() {
  static const http::ForwardRequest kRequest =
      *http::parse_forward("POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\n", kLimits,
                           "penstock", http::Carrier::kConnection, &kInside);
  return kRequest;
}

void judge_inside(const Answer& answer, std::string_view head) {
  if (answer.inside.head == Part::kRequest) {
    const auto changed = read_request(head, answer.inside.body, original(), kLimits, "penstock");
    if (!changed) return;
    PENSTOCK_CHECK(changed->request.target == original().target);
    const auto again = http::parse_forward(changed->request.head, {1 << 20, 1000}, "other",
                                           http::Carrier::kConnection, &kInside);
    PENSTOCK_CHECK(again && again->body.done() == changed->request.body.done());
    PENSTOCK_CHECK(again->coding == changed->request.coding);
  } else if (answer.inside.head == Part::kAnswer) {
    const auto changed =
        read_answer(head, answer.inside.body, original(), true, kLimits, "penstock");
    if (!changed) return;
    PENSTOCK_CHECK(changed->answer.status >= 200);
    PENSTOCK_CHECK(changed->answer.body.done() != answer.inside.body);
  }
}

void judge(Method method, std::string_view data) {
  AnswerReader whole(method, kInsideMax);
  const auto complete = whole.advance(data);
  AnswerReader cut(method, kInsideMax);
  for (size_t size = 0; size <= data.size(); ++size) {
    const auto part = cut.advance(data.substr(0, size));
    if (part && !*part) continue;
    PENSTOCK_CHECK(part.has_value() == complete.has_value());
    break;
  }
  if (!complete || !*complete) return;
  const auto answer = whole.answer(data);
  if (!answer) return;
  PENSTOCK_CHECK(cut.answer(data)->length == answer->length);
  PENSTOCK_CHECK(answer->length <= AnswerReader::kBytesMax && answer->length <= data.size());
  PENSTOCK_CHECK(answer->inside.head_bytes <= kInsideMax);
  PENSTOCK_CHECK(answer->status >= 100 && answer->status < 600);
  if (method == Method::kOptions) {
    const Options options = read_options(data.substr(0, answer->length));
    PENSTOCK_CHECK(options.ttl <= Options::kTtlMax);
    for (const auto& list : options.extensions) {
      PENSTOCK_CHECK(list.size() <= Options::kExtensionsMax);
    }
    (void)options.transfer_of(data);
  }
  judge_inside(*answer, data.substr(answer->length, answer->inside.head_bytes));
}

}  // namespace
}  // namespace penstock::icap

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // SAFETY: bytes are read as chars.
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  using penstock::icap::Method;
  for (const Method method : {Method::kOptions, Method::kReqmod, Method::kRespmod}) {
    penstock::icap::judge(method, text);
  }
  return 0;
}
