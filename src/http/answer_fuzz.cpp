// An answer means the same in one piece, cut anywhere, and byte by byte. Seeds: fuzz/corpus/answer,
// one hazard each. The cut comes from the last byte, which stays part of the input.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "http/answer.h"

namespace penstock::http {
namespace {

constexpr AnswerLimits kLimits{1024, 8};  // small, so that mutation reaches them

struct Outcome {
  std::expected<bool, AnswerFault> result;
  Answer answer;
};

Outcome read_in_pieces(std::string_view bytes, size_t first, size_t step) {
  AnswerReader reader(kLimits);
  for (size_t cut = first; cut < bytes.size(); cut += step) {
    const auto part = bytes.substr(0, cut);
    const auto result = reader.advance(part);
    if (!result) return {result, {}};
    if (*result) return {result, reader.answer(part)};
  }
  const auto result = reader.advance(bytes);
  return {result, result && *result ? reader.answer(bytes) : Answer{}};
}

bool same(const Outcome& a, const Outcome& b) {
  return a.result == b.result && a.answer.status == b.answer.status &&
         a.answer.length == b.answer.length && a.answer.error == b.answer.error;
}

void judge(std::string_view bytes) {
  const Outcome whole = read_in_pieces(bytes, bytes.size(), 1);
  const size_t cut = bytes.empty() ? 0 : static_cast<uint8_t>(bytes.back()) % bytes.size();
  PENSTOCK_CHECK(same(read_in_pieces(bytes, cut, bytes.size() + 1), whole));
  PENSTOCK_CHECK(same(read_in_pieces(bytes, 0, 1), whole));
  if (!whole.result || !*whole.result) return;
  const Answer& answer = whole.answer;
  PENSTOCK_CHECK(answer.status >= 200 && answer.status <= 599);
  PENSTOCK_CHECK(answer.length >= 4 && answer.length <= std::min(bytes.size(), kLimits.bytes));
  PENSTOCK_CHECK(bytes.substr(0, answer.length).ends_with("\r\n\r\n"));
  PENSTOCK_CHECK(answer.error.size() <= 64 &&
                 answer.error.find_first_of(" \t\r\n\";,=") == answer.error.npos);
}

}  // namespace
}  // namespace penstock::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  penstock::http::judge(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
