// The head of an answer: a proxy's to our CONNECT, or an origin's to a request that we forward. It
// is read as strictly as a request: a client that guesses where the head ends hands bytes of the
// tunnel to the wrong reader (RFC 9112 section 4, RFC 9110 9.3.6). Pure.   Cost: linear in bytes,
// no allocation.
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
  int status = 0;          // 200 to 599; of an interim answer 100 to 199
  std::string_view error;  // the error type of Proxy-Status (RFC 9209); empty: it names none
  // Where the tunnel begins if tunnel() is true. Content-Length and Transfer-Encoding of such an
  // answer mean nothing (RFC 9110 section 9.3.6).
  size_t length = 0;

  bool tunnel() const { return status / 100 == 2; }
};

// Where a reader stops: behind the final answer, which no 101 comes before, or behind each answer,
// interim ones (1xx) and a 101 included. The latter takes a status line without the space in front
// of a missing reason, which many origins leave out; nothing behind it can be read differently for
// it.
enum class Stop : uint8_t { kAtFinal, kAtEach };

// Give it everything received so far each time; it remembers how far it looked. What it answers
// depends on the bytes only, not on how they were cut.
class AnswerReader {
 public:
  explicit AnswerReader(AnswerLimits limits = {}, Stop stop = Stop::kAtFinal)
      : limits_(limits), stop_(stop) {}

  // True once an answer to stop at is complete. After a fault it stays faulty.
  std::expected<bool, AnswerFault> advance(std::string_view received);
  // `received` as at the call that said true; answer().error points into it.
  Answer answer(std::string_view received) const;

 private:
  std::expected<void, AnswerFault> take_line(std::string_view line);
  std::expected<void, AnswerFault> take_byte(std::string_view received, size_t line_bytes) const;

  AnswerLimits limits_;
  Stop stop_;
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
