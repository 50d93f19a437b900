// A head means the same in one piece, cut anywhere, and byte by byte; what is accepted has an
// authority that survives being printed. Seeds: fuzz/corpus/head, one hazard each. The cut comes
// from the last two bytes, which stay part of the input: seeds are heads as they are sent.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "http/head.h"

namespace penstock::http {
namespace {

constexpr HeadLimits kLimits{1024, 12};  // small, so that mutation reaches them

struct Outcome {
  Result<bool> result;
  size_t length;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome read_in_pieces(std::string_view bytes, size_t first, size_t step) {
  HeadReader reader(kLimits);
  for (size_t cut = first; cut < bytes.size(); cut += step) {
    const auto result = reader.advance(bytes.substr(0, cut));
    if (!result || *result) return {result, reader.length()};
  }
  const auto result = reader.advance(bytes);
  return {result, reader.length()};
}

void judge_sketch(std::string_view bytes) {
  const RequestLine sketch = sketch_request_line(bytes);
  PENSTOCK_CHECK(sketch.method.size() <= 32 && sketch.target.size() <= 512);
  const auto visible = [](char c) { return c > 0x20 && c < 0x7f; };
  PENSTOCK_CHECK(std::ranges::all_of(sketch.method, visible));
  PENSTOCK_CHECK(std::ranges::all_of(sketch.target, visible));
  PENSTOCK_CHECK(sketch.target.find('@') == sketch.target.npos);
}

void judge(std::string_view bytes) {
  judge_sketch(bytes);
  const Outcome whole = read_in_pieces(bytes, bytes.size(), 1);
  size_t cut = 0;
  if (bytes.size() >= 2) {
    const auto high = static_cast<uint8_t>(bytes[bytes.size() - 2]);
    cut = (size_t{high} << 8 | static_cast<uint8_t>(bytes.back())) % bytes.size();
  }
  PENSTOCK_CHECK(read_in_pieces(bytes, cut, bytes.size() + 1) == whole);
  PENSTOCK_CHECK(read_in_pieces(bytes, 0, 1) == whole);

  const bool complete = whole.result && *whole.result;
  const std::string_view head = complete ? bytes.substr(0, whole.length) : bytes;
  const auto connect = parse_connect(head, kLimits);
  const auto get = parse_get(head, kLimits);
  const auto host = parse_host_of_request(head, kLimits);
  PENSTOCK_CHECK(complete || (!connect && !get && !host));
  PENSTOCK_CHECK(!connect || !host);
  PENSTOCK_CHECK(!connect || !get);
  if (connect) PENSTOCK_CHECK(parse_authority(connect->target.text()) == connect->target);
  if (get) PENSTOCK_CHECK(get->path.starts_with('/') && get->head == (get->method == "HEAD"));
}

}  // namespace
}  // namespace penstock::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  penstock::http::judge(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
