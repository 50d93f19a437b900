#include "http/answer.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/check.h"
#include "http/structured.h"

namespace penstock::http {
namespace {

constexpr std::string_view kVersion = "HTTP/1.";  // and then 0 or 1
constexpr size_t kMaxErrorLength = 64;

}  // namespace

std::string_view sentence(AnswerFault fault) {
  switch (fault) {
    case AnswerFault::kNotHttp: return "the answer is not HTTP/1";
    case AnswerFault::kStatusLine: return "the answer has a bad status line";
    case AnswerFault::kSwitching: return "the answer is a 101";
    case AnswerFault::kField: return "the answer has a bad header field";
    case AnswerFault::kLineEnding: return "the answer has a bad line ending";
    case AnswerFault::kTooLarge: return "the answer has too large a head";
  }
  PENSTOCK_CHECK(false);
}

std::string_view proxy_status_error(std::string_view value) {
  constexpr std::string_view kKey = "error=";
  std::string_view found;
  while (!value.empty()) {
    std::string_view member = take_until(',', value);
    take_until(';', member);  // the name of the proxy
    while (!member.empty()) {
      const std::string_view parameter = trim(take_until(';', member));
      if (!parameter.starts_with(kKey)) continue;
      const std::string_view error = parameter.substr(kKey.size());
      if (error.size() <= kMaxErrorLength && is_token(error)) found = error;
    }
  }
  return found;
}

std::expected<bool, AnswerFault> AnswerReader::advance(std::string_view received) {
  PENSTOCK_CHECK(received.size() >= scanned_);
  const size_t end = std::min(received.size(), limits_.bytes);
  while (length_ == 0 && scanned_ < end) {
    // scanned_ moves on behind a good byte only: asked again, a fault is the same fault.
    if (const auto good = take_byte(received, scanned_ - line_start_); !good) {
      return std::unexpected(good.error());
    }
    if (received[scanned_] == '\n') {
      const auto line = received.substr(line_start_, scanned_ - 1 - line_start_);
      if (const auto good = take_line(line); !good) return std::unexpected(good.error());
      line_start_ = scanned_ + 1;
      const bool stops = status_ / 100 != 1 || stop_ == Stop::kAtEach;
      if (line.empty() && stops) length_ = line_start_;
      if (line.empty() && !stops) status_ = 0;
    }
    ++scanned_;
  }
  if (length_ == 0 && scanned_ == limits_.bytes) return std::unexpected(AnswerFault::kTooLarge);
  return length_ != 0;
}

std::expected<void, AnswerFault> AnswerReader::take_byte(std::string_view received,
                                                         size_t line_bytes) const {
  const char byte = received[scanned_];
  if (status_ == 0 && line_bytes <= kVersion.size()) {
    const bool good =
        line_bytes < kVersion.size() ? byte == kVersion[line_bytes] : byte == '0' || byte == '1';
    if (!good) return std::unexpected(AnswerFault::kNotHttp);
  }
  const bool after_cr = line_bytes > 0 && received[scanned_ - 1] == '\r';
  if (after_cr != (byte == '\n')) return std::unexpected(AnswerFault::kLineEnding);
  if (is_control(byte) && byte != '\r' && byte != '\n') {
    return std::unexpected(status_ == 0 ? AnswerFault::kStatusLine : AnswerFault::kField);
  }
  return {};
}

std::expected<void, AnswerFault> AnswerReader::take_line(std::string_view line) {
  if (status_ == 0) {
    const std::string_view rest = line.substr(std::min(kVersion.size() + 1, line.size()));
    const bool ended = rest.size() == 4 && stop_ == Stop::kAtEach;
    const bool shaped = (ended || (rest.size() >= 5 && rest[4] == ' ')) && rest[0] == ' ' &&
                        rest[1] >= '1' && rest[1] <= '5' && is_digit(rest[2]) && is_digit(rest[3]);
    if (!shaped) return std::unexpected(AnswerFault::kStatusLine);
    const int status = (rest[1] - '0') * 100 + (rest[2] - '0') * 10 + (rest[3] - '0');
    if (status == 101 && stop_ == Stop::kAtFinal) return std::unexpected(AnswerFault::kSwitching);
    status_ = status;
    error_at_ = error_length_ = 0;  // an interim answer's error is not the final one's
    return {};
  }
  if (line.empty()) return {};
  const size_t colon = line.find(':');
  const std::string_view name = line.substr(0, std::min(colon, line.size()));
  // A folded line begins with white space, which is no token either.
  if (colon == line.npos || !is_token(name)) return std::unexpected(AnswerFault::kField);
  if (fields_ == limits_.fields) return std::unexpected(AnswerFault::kTooLarge);
  ++fields_;
  if (!equals_ignoring_case(name, "Proxy-Status")) return {};
  const std::string_view error = proxy_status_error(line.substr(colon + 1));
  if (error.empty()) return {};
  error_at_ = line_start_ + static_cast<size_t>(error.data() - line.data());
  error_length_ = error.size();
  return {};
}

Answer AnswerReader::answer(std::string_view received) const {
  PENSTOCK_CHECK(length_ != 0 && received.size() >= length_);
  return {status_, received.substr(error_at_, error_length_), length_};
}

}  // namespace penstock::http
