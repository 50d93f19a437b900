// Where a body ends (RFC 9112 section 6): counted, in chunks, or at the end of the connection.
// Its content is given in pieces, as views into what was received, or only counted: a tool wants to
// know when a body was whole, a proxy passes it on.
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

// A Content-Length beyond this is taken for none: sums with it are still numbers.
inline constexpr uint64_t kLengthMax = uint64_t{1} << 62;

// Answers of this status have no body, whatever their fields say (RFC 9112 section 6.3).
constexpr bool never_has_body(int status) {
  return status / 100 == 1 || status == 204 || status == 304;
}

class BodyReader {
 public:
  // Chunk extensions and trailers mean nothing to anybody here and are stepped over. They may
  // outweigh the content by so much: one-byte chunks in kilobytes of extensions are an attack.
  static constexpr uint64_t kIdleFramingMax = 16 * 1024;

  static BodyReader none() { return BodyReader(State::kDone, 0); }
  static BodyReader counted(uint64_t bytes) {
    return BodyReader(bytes == 0 ? State::kDone : State::kCounted, bytes);
  }
  // `lenient`: white space may stand behind a chunk's size, as some servers write it, and anything
  // in an extension. A request's chunks have neither, and extensions of tokens only: llhttp, for
  // one, refuses the rest, and what one reader refuses another may read in its own way.
  static BodyReader chunked(bool lenient = false) {
    BodyReader out(State::kChunkSize, 0);
    out.lenient_ = lenient;
    return out;
  }
  static BodyReader until_end() { return BodyReader(State::kUntilEnd, 0); }

  // `head` is that of a final answer (final_head) to a GET, and `status` its status.
  static std::expected<BodyReader, BodyFault> behind(std::string_view head, int status);

  // The next run of content in `bytes`, and how many bytes it and the framing in front of it are.
  // No content: all of `bytes` was framing, or the body is done().
  struct Piece {
    size_t taken = 0;
    std::string_view content;
  };
  std::expected<Piece, BodyFault> next(std::string_view bytes);

  // Takes what belongs to the body off the front of `bytes`: how many that were. Fewer than there
  // are only when done(). After a fault it stays faulty.
  std::expected<size_t, BodyFault> take(std::string_view bytes);
  // The connection has ended.
  std::expected<void, BodyFault> end();

  bool done() const { return state_ == State::kDone; }
  bool ends_with_connection() const { return state_ == State::kUntilEnd; }
  // Of the content, without the framing of chunks.
  uint64_t bytes() const { return bytes_; }

 private:
  enum class State : uint8_t {
    kCounted,
    kUntilEnd,
    kChunkSize,
    kChunkPad,  // white space behind the size
    kChunkExtension,
    kExtensionValue,
    kChunkSizeLf,
    kChunkData,
    kChunkDataCr,
    kChunkDataLf,
    kTrailerStart,  // of a line; an empty one ends the body
    kTrailerName,
    kTrailerValue,
    kTrailerLf,
    kLastLf,
    kDone,
    kFaulty,
  };

  BodyReader(State state, uint64_t left) : state_(state), left_(left) {}

  // One byte of a chunk's framing; false: it does not belong there.
  bool take_framing(char byte);
  bool take_size(char byte);
  bool leave_size(char byte);
  bool take_extension(char byte);
  bool take_trailer(char byte);

  State state_;
  uint64_t left_ = 0;  // of the body, or of the chunk
  bool lenient_ = false;
  bool in_token_ = false;  // of an extension
  int size_digits_ = 0;    // of the chunk size that is being read
  uint64_t bytes_ = 0;
  uint64_t idle_framing_ = 0;  // bytes of chunk extensions and trailers
};

}  // namespace penstock::http
