#include "h2/answer.h"

#include <algorithm>

#include "base/ascii.h"
#include "h2/fields.h"
#include "http/body.h"
#include "http/structured.h"

namespace penstock::h2 {
namespace {

constexpr int kStatusMin = 100;
constexpr int kStatusMax = 599;
constexpr int kSwitching = 101;

int status_of(std::string_view value) {
  const auto number = parse_decimal(value, kStatusMax);
  if (value.size() != 3 || !number || *number < kStatusMin) return 0;
  return static_cast<int>(*number);
}

}  // namespace

void AnswerReader::take(std::string_view name, std::string_view value) {
  bytes_ += name.size() + value.size() + kFieldOverhead;
  ++count_;
  if (bytes_ > limits_.bytes || count_ > limits_.fields) return refuse(Code::kResponseTooLarge);
  if (std::ranges::any_of(value, http::is_control)) return refuse(Code::kBadResponse);
  if (name == ":status" && !regular_ && status_ == 0) {
    status_ = status_of(value);
    if (status_ == 0 || status_ == kSwitching) refuse(Code::kBadResponse);
    return;
  }
  regular_ = true;
  if (!is_field_name(name) || belongs_to_connection(name, value)) {
    return refuse(Code::kBadResponse);
  }
  if (name == "content-length") {
    // Two that agree are one too many: the next reader may take the other.
    const bool twice = length_.has_value();
    length_ = parse_decimal(value, http::kLengthMax);
    if (twice || !length_) return refuse(Code::kBadResponse);
  }
  lines_.append(name).append(": ").append(value).append("\r\n");
}

Result<Answer> AnswerReader::answer(bool last) const {
  if (failure_) return fail(*failure_);
  if (status_ == 0) return fail(Code::kBadResponse);
  Answer out{status_, "HTTP/1.1 " + std::to_string(status_) + " \r\n" + lines_ + "\r\n", length_};
  if (out.interim() && (last || length_)) return fail(Code::kBadResponse);
  return out;
}

}  // namespace penstock::h2
