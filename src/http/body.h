// Where an answer's body ends (RFC 9112 section 6): counted, in chunks, or at the end of the
// connection. The bytes themselves are only counted: who reads a body here wants to know when it
// was whole, not what it says.
// Pure.   Cost: linear in bytes, no allocation.
#pragma once

#include <cstdint>
#include <expected>
#include <string_view>

namespace penstock::http {

enum class BodyFault : uint8_t {
  kLength,     // Content-Length is no number, or there are two that differ
  kTwoEnds,    // Content-Length and Transfer-Encoding: two readers would see two ends
  kChunk,      // a chunk's size or its line ending is wrong
  kTruncated,  // the connection ended before the body did
};
std::string_view sentence(BodyFault fault);

class BodyReader {
 public:
  // `head` is that of a final answer (final_head) to a GET, and `status` its status.
  static std::expected<BodyReader, BodyFault> behind(std::string_view head, int status);

  // Takes what belongs to the body off the front of `bytes`: how many that were. Fewer than there
  // are only when done(). After a fault it stays faulty.
  std::expected<size_t, BodyFault> take(std::string_view bytes);
  // The connection has ended.
  std::expected<void, BodyFault> end();

  bool done() const { return state_ == State::kDone; }
  // Of the content, without the framing of chunks.
  uint64_t bytes() const { return bytes_; }

 private:
  enum class State : uint8_t {
    kCounted,
    kUntilEnd,
    kChunkSize,
    kChunkExtension,
    kChunkSizeLf,
    kChunkData,
    kChunkDataCr,
    kChunkDataLf,
    kTrailerStart,  // of a line; an empty one ends the body
    kTrailer,
    kTrailerLf,
    kLastLf,
    kDone,
    kFaulty,
  };

  BodyReader(State state, uint64_t left) : state_(state), left_(left) {}

  // One byte of a chunk's framing; false: it does not belong there.
  bool take_framing(char byte);
  bool take_size(char byte);

  State state_;
  uint64_t left_ = 0;    // of the body, or of the chunk
  int size_digits_ = 0;  // of the chunk size that is being read
  uint64_t bytes_ = 0;
};

}  // namespace penstock::http
