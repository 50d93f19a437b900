// An answer as HTTP/2 writes it (RFC 9113 section 8.3.2), read as strictly as one of HTTP/1.1, and
// written as a head of that, so that one parser reads all that origins say.
// Pure.   Cost: linear in bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/head.h"

namespace penstock::h2 {

struct Answer {
  int status = 0;                    // 100 to 599, and not 101, which HTTP/2 does not have
  std::string head;                  // for http::parse_forward_answer()
  std::optional<uint64_t> length{};  // that it says its body has

  bool interim() const { return status / 100 == 1; }
};

// Takes the fields of one header block in their order.
class AnswerReader {
 public:
  explicit AnswerReader(http::HeadLimits limits) : limits_(limits) {}

  void take(std::string_view name, std::string_view value);
  // Of all that was taken, as RFC 9113 section 6.5.2 counts: 32 for each field.
  size_t bytes() const { return bytes_; }

  // When the block has ended. `last`: the stream has, too. kBadResponse, kResponseTooLarge.
  Result<Answer> answer(bool last) const;

 private:
  void refuse(Code why) {
    if (!failure_) failure_ = why;
  }

  const http::HeadLimits limits_;
  size_t bytes_ = 0;
  size_t count_ = 0;
  std::optional<Code> failure_;  // the first
  int status_ = 0;
  std::optional<uint64_t> length_;
  std::string lines_;
  bool regular_ = false;  // a regular field has come, behind which there is no pseudo-header
};

}  // namespace penstock::h2
