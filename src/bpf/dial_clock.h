// When the kernel sent the SYN of a connection that we dialled, and when the answer came: a
// sock_ops program on our own cgroup writes it into memory that both see, and goes when this does.
// Connections of other processes in the cgroup are timed too, and nobody asks for those.
//
// Needs CAP_BPF and CAP_NET_ADMIN at open(), none later.
// Thread: open() one, handshake() any.   Cost: 512 KiB; a getsockopt(2) per question; what it takes
// in the kernel is in docs/trace.md.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "base/time.h"

namespace penstock::bpf {

class DialClock {
 public:
  // A sentence: why there is none.
  static std::expected<DialClock, std::string> open();
  DialClock(DialClock&& other) noexcept;
  ~DialClock();

  struct Handshake {
    Duration connect{};  // SYN to SYN-ACK
    uint64_t syn_retransmits = 0;
  };
  // Of a socket that has just been connected: 16,384 others later its place is another's. Nothing
  // then, and for one that was connected before open().
  std::optional<Handshake> handshake(int socket) const;

  const std::string& where() const { return where_; }  // the cgroup

 private:
  struct Program;
  DialClock(std::unique_ptr<Program> program, std::string where);

  std::unique_ptr<Program> program_;
  std::string where_;
};

}  // namespace penstock::bpf
