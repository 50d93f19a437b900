// A connected TCP socket on a loop: reads and writes that never wait, and awaitable readiness. Its
// bytes are the socket's, or those of a Transport that stands between; or of a Transport alone,
// where many streams share one socket.
// Thread: the loop's.   Lifetime: shorter than the loop's.   Cost: no allocation.
#pragma once

#include <cerrno>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/time.h"
#include "loop/loop.h"
#include "loop/task.h"
#include "sys/fd.h"

namespace penstock::loop {

// What one attempt at I/O brought: n > 0 bytes; 0, the end of the stream; or -errno.
// -EAGAIN is not an error: wait for readiness and try again.
struct Moved {
  long count;

  bool bytes() const { return count > 0; }
  bool end() const { return count == 0; }
  bool would_block() const { return count == -EAGAIN; }
  bool failed() const { return count < 0 && count != -EAGAIN; }
  int error() const { return count < 0 ? static_cast<int>(-count) : 0; }
};

class Stream;

// What stands between a stream's bytes and its socket, such as TLS. Like the socket itself it never
// waits; -EAGAIN means that the socket has to be readable (for read) or writable (for write) first.
// One without a socket of its own announces that by the stream's source.
class Transport {
 public:
  virtual ~Transport() = default;

  // The stream that it stands on is there from now on.
  virtual void follow(Stream&) {}

  virtual Moved read(std::span<uint8_t> into) = 0;
  virtual Moved write(std::span<const uint8_t> from) = 0;
  // The peer learns that nothing more comes, in the transport's own way and the socket's. False:
  // the socket has to be writable first, and then it is to be asked again.
  virtual bool shutdown_write() = 0;
  // What it stands on, where that is another one and not a socket.
  virtual Transport* below() { return nullptr; }
  // The kernel does the work from here on: splice(2) on the socket moves the stream's bytes. Where
  // it says EINVAL, what comes next is for read().
  virtual bool spliceable() const { return false; }
  // So many bytes went out past write(), spliced to the socket.
  virtual void note_spliced(size_t) {}
  // Bytes that were taken and have not reached the socket yet, or have not left where there is
  // none. A close loses them.
  virtual long unsent() const { return 0; }

  // What else a socket is asked, of one without:
  // how it has failed, once it has announced kBroken: an errno;
  virtual int pending_error() const { return 0; }
  // its end, when it goes, is to be a reset.
  virtual void reset_on_close() {}
};

class Stream {
 public:
  Stream() = default;
  Stream(Loop& loop, sys::Fd fd) : fd_(std::move(fd)), source_(loop, fd_.get()) {}
  // One without a socket: `transport` is all there is behind it, and announces by source().
  Stream(Loop& loop, std::unique_ptr<Transport> transport)
      : source_(loop), transport_(std::move(transport)) {
    transport_->follow(*this);
  }
  // One that was accepted can be written to, and need not hear so: saves a turn of the loop.
  static Stream accepted(Loop& loop, sys::Fd fd);
  Stream(Stream&& other) noexcept { *this = std::move(other); }
  Stream& operator=(Stream&& other) noexcept {
    source_ = std::move(other.source_);  // before the descriptor it names is closed
    transport_ = std::move(other.transport_);
    fd_ = std::move(other.fd_);
    guarded_ = other.guarded_;
    if (transport_) transport_->follow(*this);
    return *this;
  }

  // From here on its bytes are those of `transport`, which works on this stream's socket.
  void put_on(std::unique_ptr<Transport> transport) { transport_ = std::move(transport); }
  std::unique_ptr<Transport> take_off() { return std::move(transport_); }
  Transport* transport() const { return transport_.get(); }
  // Its bytes may be moved by the kernel, from socket to socket.
  bool spliceable() const { return !transport_ || transport_->spliceable(); }

  int fd() const { return fd_.get(); }  // -1: it has no socket
  Source& source() { return source_; }
  explicit operator bool() const { return fd_ || transport_; }

  Moved read(std::span<uint8_t> into);
  Moved write(std::span<const uint8_t> from);
  // The same of the socket itself, whatever stands between: for what stands there.
  Moved read_socket(std::span<uint8_t> into);
  Moved write_socket(std::span<const uint8_t> from);
  // Open, and the peer has said nothing: no byte, no end and no reset is there to be read. Asks the
  // kernel, since what epoll has reported may be a turn old; a transport is asked for a byte, which
  // is lost where there is one.
  bool silent();
  // Bytes that were written and that the peer's kernel has not acknowledged, or that have not even
  // left.
  long unsent() const;
  // The error behind a kBroken that was reported: an errno, which the kernel tells only once.
  int pending_error() const;

  // sys::set_liveness(), the first time that it is called; whether this was it. Never where there
  // is no socket.
  bool guard(Duration quiet, Duration unacknowledged);
  // False: the peer cannot be told yet; once the stream is writable, ask again.
  bool shutdown_write();
  void reset_on_close();  // the close sends RST
  void close();

 private:
  sys::Fd fd_;
  bool guarded_ = false;
  Source source_;
  std::unique_ptr<Transport> transport_;
};

// Waits until `stream` may be read; false: `timer` expired first.
Task<bool> readable(Loop& loop, Stream& stream, Timer& timer);

// Writes all of `bytes` before `timer` expires. 0, or an errno (ETIMEDOUT for the timer).
Task<int> write_all(Loop& loop, Stream& stream, std::string_view bytes, Timer& timer);

}  // namespace penstock::loop
