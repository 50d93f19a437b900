// The three messages that a SOCKS5 client sends, each of which any bytes may claim to be. The
// answer does not depend on how the bytes are cut, nothing behind a message is looked at, and an
// accepted target is one that a CONNECT could have named. Seeds: fuzz/corpus/socks.
#include <algorithm>

#include "base/check.h"
#include "socks/messages.h"

namespace penstock::socks {
namespace {

using Bytes = std::span<const uint8_t>;

constexpr size_t kLargest = 513;  // user name and password

template <class T>
void judge_prefixes(Reading<T> (*read)(Bytes), Bytes data) {
  const auto whole = read(data);
  if (whole && *whole) {
    PENSTOCK_CHECK((*whole)->length > 0 && (*whole)->length <= std::min(data.size(), kLargest));
  }
  PENSTOCK_CHECK(!whole || *whole || data.size() < kLargest);
  for (size_t size = 0; size < std::min(data.size(), kLargest + 1); ++size) {
    const auto part = read(data.first(size));
    if (!part) {
      PENSTOCK_CHECK(!whole && part.error() == whole.error());
    } else if (*part) {
      PENSTOCK_CHECK(whole && *whole && (*whole)->length == (*part)->length);
    } else {
      PENSTOCK_CHECK(!whole || !*whole || (*whole)->length > size);
    }
  }
}

void judge(Bytes data) {
  judge_prefixes(read_greeting, data);
  judge_prefixes(read_credentials, data);
  judge_prefixes(read_request, data);
  const std::string sketch = sketch_request(data);
  PENSTOCK_CHECK(sketch.size() < 300 &&
                 std::ranges::all_of(sketch, [](char c) { return c >= 0x20 && c < 0x7f; }));
  const auto request = read_request(data);
  if (!request || !*request) return;
  const http::Authority& target = (*request)->message;
  PENSTOCK_CHECK(http::parse_authority(target.text()) == target);
}

}  // namespace
}  // namespace penstock::socks

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  penstock::socks::judge({data, size});
  return 0;
}
