#include "http/body.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "http/answer_fields.h"
#include "http/structured.h"

namespace penstock::http {
namespace {

constexpr int kSizeDigitsMax = 15;  // of a chunk, hexadecimal: no sum can overflow

// Lists of one number repeated are one number (RFC 9110 section 8.6).
std::expected<std::optional<uint64_t>, BodyFault> content_length(std::string_view head) {
  std::optional<uint64_t> out;
  for (std::string_view value : field_values(head, "Content-Length")) {
    do {
      const auto number = parse_decimal(trim(take_until(',', value)), kLengthMax);
      if (!number || (out && *out != *number)) return std::unexpected(BodyFault::kLength);
      out = number;
    } while (!value.empty());
  }
  return out;
}

// The last coding of all: only when that is `chunked` does the body say where it ends.
std::string_view last_coding(std::string_view head) {
  std::string_view out;
  for (std::string_view value : field_values(head, "Transfer-Encoding")) {
    while (!value.empty()) out = trim(take_until(',', value));
  }
  return out;
}

}  // namespace

std::string_view sentence(BodyFault fault) {
  switch (fault) {
    case BodyFault::kLength: return "the answer's Content-Length is no single number";
    case BodyFault::kTwoEnds: return "the answer has both Content-Length and Transfer-Encoding";
    case BodyFault::kChunk: return "the answer's body is badly cut into chunks";
    case BodyFault::kTruncated: return "the connection ended before the answer did";
  }
  PENSTOCK_CHECK(false);
}

std::expected<BodyReader, BodyFault> BodyReader::behind(std::string_view head, int status) {
  const auto length = content_length(head);
  if (!length) return std::unexpected(length.error());
  const std::string_view coding = last_coding(head);
  if (*length && !coding.empty()) return std::unexpected(BodyFault::kTwoEnds);
  if (never_has_body(status)) return none();
  if (equals_ignoring_case(coding, "chunked")) return chunked(true);
  return *length ? counted(**length) : until_end();
}

std::expected<BodyReader::Piece, BodyFault> BodyReader::next(std::string_view bytes) {
  Piece out;
  while (out.taken < bytes.size() && state_ != State::kDone) {
    const std::string_view rest = bytes.substr(out.taken);
    switch (state_) {
      case State::kUntilEnd: out.content = rest; break;
      case State::kCounted:
      case State::kChunkData:
        out.content = rest.substr(0, static_cast<size_t>(std::min<uint64_t>(left_, rest.size())));
        left_ -= out.content.size();
        if (left_ == 0) state_ = state_ == State::kCounted ? State::kDone : State::kChunkDataCr;
        break;
      default:
        if (!take_framing(rest.front())) {
          state_ = State::kFaulty;
          return std::unexpected(BodyFault::kChunk);
        }
        ++out.taken;
        continue;
    }
    out.taken += out.content.size();
    bytes_ += out.content.size();
    return out;
  }
  return out;
}

std::expected<size_t, BodyFault> BodyReader::take(std::string_view bytes) {
  size_t taken = 0;
  while (taken < bytes.size() && !done()) {
    const auto piece = next(bytes.substr(taken));
    if (!piece) return std::unexpected(piece.error());
    taken += piece->taken;
  }
  return taken;
}

bool BodyReader::take_size(char byte) {
  if (is_hex_digit(byte)) {
    if (++size_digits_ > kSizeDigitsMax) return false;
    left_ = left_ * 16 + static_cast<uint64_t>(hex_value(byte));
    return true;
  }
  if (size_digits_ == 0) return false;
  return leave_size(byte);
}

// What may follow the size: nothing but its line's end, an extension, or a pad before either.
bool BodyReader::leave_size(char byte) {
  switch (byte) {
    case '\r': state_ = State::kChunkSizeLf; return true;
    case ';': state_ = State::kChunkExtension; return true;
    case ' ':
    case '\t': state_ = State::kChunkPad; return lenient_;
    default: return false;
  }
}

// ";name=value" and ";name", again and again (RFC 9112 section 7.1.1).
bool BodyReader::take_extension(char byte) {
  const bool behind_token = std::exchange(in_token_, is_token_byte(byte));
  if (in_token_) return true;
  if (byte == '\r') {
    state_ = State::kChunkSizeLf;
    return lenient_ || behind_token;
  }
  if (lenient_) return !is_control(byte);
  const bool in_name = state_ == State::kChunkExtension;
  state_ = byte == '=' ? State::kExtensionValue : State::kChunkExtension;
  return behind_token && (byte == ';' || (byte == '=' && in_name));
}

bool BodyReader::take_trailer(char byte) {
  if (state_ == State::kTrailerValue) {
    if (byte == '\r') state_ = State::kTrailerLf;
    return !is_control(byte) || byte == '\r';
  }
  if (state_ == State::kTrailerName && byte == ':') {
    state_ = State::kTrailerValue;
    return true;
  }
  if (state_ == State::kTrailerStart && byte == '\r') {
    state_ = State::kLastLf;
    return true;
  }
  state_ = State::kTrailerName;
  return is_token_byte(byte);
}

bool BodyReader::take_framing(char byte) {
  const auto next_is = [&](char wanted, State next) {
    state_ = next;
    return byte == wanted;
  };
  const auto in_bounds = [&] { return ++idle_framing_ <= kIdleFramingMax + bytes_; };
  switch (state_) {
    case State::kChunkSize: return take_size(byte);
    case State::kChunkPad: return in_bounds() && leave_size(byte);
    case State::kChunkExtension:
    case State::kExtensionValue: return in_bounds() && take_extension(byte);
    case State::kChunkSizeLf:
      size_digits_ = 0;
      return next_is('\n', left_ == 0 ? State::kTrailerStart : State::kChunkData);
    case State::kChunkDataCr: return next_is('\r', State::kChunkDataLf);
    case State::kChunkDataLf: return next_is('\n', State::kChunkSize);
    case State::kTrailerStart:
    case State::kTrailerName:
    case State::kTrailerValue: return in_bounds() && take_trailer(byte);
    case State::kTrailerLf: return next_is('\n', State::kTrailerStart);
    case State::kLastLf: return next_is('\n', State::kDone);
    default: return false;  // faulty before, and so it stays
  }
}

std::expected<void, BodyFault> BodyReader::end() {
  if (state_ == State::kUntilEnd) state_ = State::kDone;
  if (state_ == State::kDone) return {};
  return std::unexpected(state_ == State::kFaulty ? BodyFault::kChunk : BodyFault::kTruncated);
}

}  // namespace penstock::http
