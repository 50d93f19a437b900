// A proxy's answer to our CONNECT, read as strictly as a request: a client that guesses where the
// head ends hands bytes of the tunnel to the wrong reader (RFC 9112 section 4, RFC 9110 9.3.6).
// Pure.   Cost: linear in bytes, no allocation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string_view>

namespace penstock::http {

struct AnswerLimits {
  size_t bytes = 16 * 1024;  // all heads, interim ones included
  size_t fields = 100;
};

enum class AnswerFault : uint8_t {
  kNotHttp,     // does not begin as HTTP/1.1 or HTTP/1.0 does
  kStatusLine,  // no "version SP three digits SP reason"
  kSwitching,   // 101: nobody asked for it
  kField,       // a line that is no field, is folded, or has a control byte in it
  kLineEnding,  // a CR or an LF alone
  kTooLarge,
};
std::string_view sentence(AnswerFault fault);

struct Answer {
  int status = 0;          // 200 to 599
  std::string_view error;  // the error type of Proxy-Status (RFC 9209); empty: it names none
  // Where the tunnel begins if tunnel() is true. Content-Length and Transfer-Encoding of such an
  // answer mean nothing (RFC 9110 section 9.3.6).
  size_t length = 0;

  bool tunnel() const { return status / 100 == 2; }
};

// Give it everything received so far each time; it remembers how far it looked. Interim answers
// (1xx) are stepped over. What it answers depends on the bytes only, not on how they were cut.
class AnswerReader {
 public:
  explicit AnswerReader(AnswerLimits limits = {}) : limits_(limits) {}

  // True once a final answer is complete. After a fault it stays faulty.
  std::expected<bool, AnswerFault> advance(std::string_view received);
  // `received` as at the call that said true; answer().error points into it.
  Answer answer(std::string_view received) const;

 private:
  std::expected<void, AnswerFault> take_line(std::string_view line);
  std::expected<void, AnswerFault> take_byte(std::string_view received, size_t line_bytes) const;

  AnswerLimits limits_;
  size_t scanned_ = 0;     // bytes already looked at
  size_t line_start_ = 0;  // of the line that scanned_ is in
  size_t fields_ = 0;
  int status_ = 0;  // zero: the next line is a status line
  size_t error_at_ = 0;
  size_t error_length_ = 0;
  size_t length_ = 0;
};

// The error parameter of a Proxy-Status value, of the last member that has one: the proxy that
// stands nearest to us (RFC 9209 section 2). Empty unless it is a token of at most 64 characters.
std::string_view proxy_status_error(std::string_view value);

}  // namespace penstock::http
