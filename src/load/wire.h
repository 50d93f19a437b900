// A connected socket of a load run or of its origin, with or without TLS in it, and what both ends
// do with one: send all of something, expect exactly something, end.
// Thread: the loop's.   Lifetime: shorter than the loop's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/bytes.h"
#include "load/tls_session.h"
#include "loop/loop.h"
#include "loop/stream.h"
#include "loop/task.h"

namespace penstock::load {

// Why something came out wrong, as Results::errors counts it; empty: it did not.
using Failure = std::optional<std::string>;

inline constexpr const char* kTimedOut = "timed out";
inline constexpr const char* kClosedByPeer = "closed by the peer";
inline constexpr const char* kWrongBytes = "wrong bytes";

// A kernel's errno, or one of TlsSession's, in words of which there are few.
std::string failure_of(int error);

class Wire {
 public:
  Wire() = default;
  explicit Wire(loop::Stream stream) : stream_(std::move(stream)) {}

  loop::Stream& stream() { return stream_; }
  loop::Source& source() { return stream_.source(); }
  explicit operator bool() const { return static_cast<bool>(stream_); }
  bool secure() const { return tls_ != nullptr; }
  // From here on read() and write() are about plain text; the handshake comes first.
  void secure_with(const TlsContext& context, const std::string& server_name) {
    tls_ = std::make_unique<TlsSession>(context, server_name);
  }
  TlsSession* tls() { return tls_.get(); }

  // They ask the kernel only when the loop knows that there is something to get: -EAGAIN means to
  // wait for needs(...), and costs nothing.
  loop::Moved read(std::span<uint8_t> into) {
    if (tls_) return tls_->read(stream_, into);
    if (!source().ready(loop::kReadable)) return {-EAGAIN};
    return stream_.read(into);
  }
  loop::Moved write(std::span<const uint8_t> from) {
    if (tls_) return tls_->write(stream_, from);
    if (!source().ready(loop::kWritable)) return {-EAGAIN};
    return stream_.write(from);
  }
  // What to wait for when a read or write (`plainly`) would block.
  uint8_t needs(uint8_t plainly) const { return tls_ ? tls_->needs() : plainly; }

 private:
  loop::Stream stream_;
  std::unique_ptr<TlsSession> tls_;
};

loop::Task<Failure> handshake(loop::Loop& loop, Wire& wire, loop::Timer& timer);
loop::Task<Failure> send_all(loop::Loop& loop, Wire& wire, std::span<const uint8_t> bytes,
                             loop::Timer& timer);
// Reads bytes.size() bytes through `scratch`, which is whoever's runs on this thread, and compares.
loop::Task<Failure> expect_bytes(loop::Loop& loop, Wire& wire, std::span<const uint8_t> bytes,
                                 std::span<uint8_t> scratch, loop::Timer& timer);
// Reads until the end of the stream; a byte before it is a failure.
loop::Task<Failure> expect_end(loop::Loop& loop, Wire& wire, loop::Timer& timer);
// close_notify, if there is TLS, and FIN.
loop::Task<Failure> end_writing(loop::Loop& loop, Wire& wire, loop::Timer& timer);

}  // namespace penstock::load
