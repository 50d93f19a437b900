// A stream of bytes toward the other end: TCP, or TLS on top of another link (tls_link.h). Calls
// block until something has happened or `deadline` has passed; one request at a time has nothing
// better to do, and no loop stands between a byte and the clock.
// Thread: one.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ip.h"
#include "base/time.h"
#include "sys/fd.h"

namespace penstock::probe {

// Why bytes did not come or go.
struct LinkFault {
  enum class Kind : uint8_t {
    kTimedOut,  // the deadline
    kEnded,     // the other end closed
    kReset,
    kRefused,  // nobody listens, or no way leads there
    kTls,      // `words` has OpenSSL's reason
    kSystem,
  };
  Kind kind;
  std::string words;  // what people read: "timed out", "closed by the other end", ...
};
LinkFault fault_of(int error);  // an errno

template <class T>
using Linked = std::expected<T, LinkFault>;

class Link {
 public:
  Link() = default;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  virtual ~Link() = default;

  // At least one byte, or 0 at the end of the stream.
  virtual Linked<size_t> read(std::span<uint8_t> into, Instant deadline) = 0;
  virtual Linked<void> write(std::span<const uint8_t> from, Instant deadline) = 0;

  // When the kernel had last given bytes of the connection under it, and when it was last given
  // some.
  virtual Instant heard() const = 0;
  virtual Instant said() const = 0;
  virtual std::optional<uint32_t> rtt_us() const = 0;
};

// What is left until `deadline` in whole milliseconds, rounded up, for poll(); never negative.
int millis_until(Instant deadline);

class TcpLink : public Link {
 public:
  explicit TcpLink(sys::Fd fd) : fd_(std::move(fd)) {}

  Linked<size_t> read(std::span<uint8_t> into, Instant deadline) override;
  Linked<void> write(std::span<const uint8_t> from, Instant deadline) override;
  Instant heard() const override { return heard_; }
  Instant said() const override { return said_; }
  std::optional<uint32_t> rtt_us() const override;

 private:
  // False: the deadline passed first.
  bool wait(short events, Instant deadline) const;

  sys::Fd fd_;
  Instant heard_{};
  Instant said_{};
};

// Connects to the first of `addresses` that accepts, as Happy Eyeballs does (RFC 8305 section 5):
// each attempt starts 250 ms after the one before, or when that has failed.
struct Reached {
  sys::Fd fd;
  Endpoint peer;
};
Linked<Reached> reach(const std::vector<IpAddress>& addresses, uint16_t port, Instant deadline);

}  // namespace penstock::probe
