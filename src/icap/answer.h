// The head of an answer of ICAP (RFC 3507 section 4.3), read strictly: where the message inside it
// begins and ends must be clear, since that message becomes a request or an answer of ours.
// Pure.   Cost: linear in bytes; one string of what was received, which the caller keeps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "icap/options.h"

namespace penstock::icap {

enum class Method : uint8_t { kOptions, kReqmod, kRespmod };
std::string_view word(Method method);

enum class AnswerFault : uint8_t {
  kNotIcap,       // does not begin as ICAP/1.0 does
  kStatusLine,    // no "version SP three digits SP reason"
  kField,         // a line that is no field, or has a control byte in it, or goes on folded where
                  // it matters
  kLineEnding,    // a CR or an LF alone
  kTooLarge,      // more bytes or fields than a head may have
  kEncapsulated,  // no list of parts, or of parts that such an answer does not have
};
std::string_view sentence(AnswerFault fault);

// What lies behind the head.
enum class Part : uint8_t { kNothing, kRequest, kAnswer };
struct Encapsulated {
  Part head = Part::kNothing;  // of HTTP
  size_t head_bytes = 0;
  bool body = false;  // in chunks, behind it
};

struct Answer {
  int status = 0;  // 100 to 599
  size_t length = 0;
  Encapsulated inside;
  bool close = false;  // the connection serves nothing behind this
  std::string istag;
  std::string threat;  // what was found, in the service's words; empty: it says nothing of it
};

class AnswerReader {
 public:
  static constexpr size_t kBytesMax = 16 * 1024;
  static constexpr size_t kFieldsMax = 100;
  static constexpr size_t kIstagMax = 64;
  static constexpr size_t kThreatMax = 200;

  // `method`: what it answers. `inside_max`: bytes that the head of HTTP inside may have.
  AnswerReader(Method method, size_t inside_max) : method_(method), inside_max_(inside_max) {}

  // Give it everything received so far each time; it remembers how far it looked. True once the
  // head is complete. After a fault it stays faulty.
  std::expected<bool, AnswerFault> advance(std::string_view received);
  // `received` as at the call that said true.
  std::expected<Answer, AnswerFault> answer(std::string_view received) const;

 private:
  std::expected<void, AnswerFault> take_line(std::string_view line);

  Method method_;
  size_t inside_max_;
  size_t scanned_ = 0;     // bytes already looked at
  size_t line_start_ = 0;  // of the line that scanned_ is in
  size_t fields_ = 0;
  bool may_fold_ = false;  // the last field may go on in another line
  int status_ = 0;         // zero: the next line is the status line
  size_t length_ = 0;
};

// Of an answer to OPTIONS whose head is `head`: what the service says of itself.
Options read_options(std::string_view head);

}  // namespace penstock::icap
