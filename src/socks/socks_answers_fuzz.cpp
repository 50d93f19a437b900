// The three messages that a SOCKS5 server sends to us as its client, each of which any bytes may
// claim to be. The answer does not depend on how the bytes are cut, nothing behind a message is
// looked at, and what we ask is what our own server would read. Seeds: fuzz/corpus/socks_answers.
#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"
#include "socks/asking.h"

namespace penstock::socks {
namespace {

using Bytes = std::span<const uint8_t>;

template <class T>
void judge_prefixes(Reading<T> (*read)(Bytes), Bytes data) {
  const auto whole = read(data);
  if (!whole) {
    PENSTOCK_CHECK(whole.error().code == Code::kParentProtocol);
  } else if (*whole) {
    PENSTOCK_CHECK((*whole)->length >= 2 &&
                   (*whole)->length <= std::min(data.size(), kAnswerBytesMax));
  } else {
    PENSTOCK_CHECK(data.size() < kAnswerBytesMax);
  }
  for (size_t size = 0; size < std::min(data.size(), kAnswerBytesMax + 1); ++size) {
    const auto part = read(data.first(size));
    if (!part) {
      PENSTOCK_CHECK(!whole);
    } else if (*part) {
      PENSTOCK_CHECK(whole && *whole && (*whole)->length == (*part)->length &&
                     (*whole)->message == (*part)->message);
    } else {
      PENSTOCK_CHECK(!whole || !*whole || (*whole)->length > size);
    }
  }
}

void judge(Bytes data) {
  judge_prefixes(read_choice, data);
  judge_prefixes(read_verdict, data);
  judge_prefixes(read_answer, data);
  const auto answer = read_answer(data);
  if (answer && *answer && (*answer)->message != 0) {
    const Meaning meaning = meaning_of((*answer)->message);
    PENSTOCK_CHECK(facts(meaning.code).side == Side::kParent && !meaning.proxy_status.empty());
  }
  // What was asked of us, asked of another.
  const auto request = read_request(data);
  if (!request || !*request) return;
  const http::Authority& target = (*request)->message;
  const std::string asked = ask(target);
  const auto again = read_request(bytes_of(asked));
  PENSTOCK_CHECK(again && *again && (*again)->message == target &&
                 (*again)->length == asked.size());
}

}  // namespace
}  // namespace penstock::socks

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  penstock::socks::judge({data, size});
  return 0;
}
