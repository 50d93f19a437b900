// TLS records made and read by the kernel, on a connected TCP socket whose handshake somebody else
// has done (Linux, Documentation/networking/tls.rst). Nothing of it is to be expected of a kernel:
// each step says whether it takes it.
// Thread: any.   Cost: a few KiB of the kernel's memory per socket.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace penstock::sys::kernel_tls {

enum class Version : uint16_t { kTls12 = 0x0303, kTls13 = 0x0304 };
enum class Cipher : uint16_t { kAes128Gcm = 51, kAes256Gcm = 52, kChaCha20Poly1305 = 54 };
enum class Way : uint8_t { kSend = 1, kReceive = 2 };

// What the records of one direction are made with. Wiped when it goes, copies as well.
struct Keys {
  Keys() = default;
  Keys(const Keys&) = default;
  Keys& operator=(const Keys&) = default;
  ~Keys();

  Version version = Version::kTls13;
  Cipher cipher = Cipher::kAes128Gcm;
  std::array<uint8_t, 32> key{};  // AES-128: the first 16
  // What sequence numbers are added to (RFC 8446 section 5.3). AES-GCM of TLS 1.2: four bytes of it
  // and the explicit part of the first record's (RFC 5288 section 3).
  std::array<uint8_t, 12> nonce{};
  uint64_t sequence = 0;  // of the next record
};

// The socket is from here on one that can be given keys, and otherwise what it was. 0 or -errno:
// ENOENT: the kernel has no TLS, or its module (tls) is not loaded; ENOTCONN: the peer has ended
// its stream, or reset it.
int prepare(int fd);
// From here on the socket reads or writes records in place of plain bytes. 0, or -errno and nothing
// has changed.
int set_keys(int fd, Way way, const Keys& keys);
// Of the next record; -errno.
int64_t sequence(int fd, Way way, Cipher cipher);

// What one read brought: bytes of one type of record, or an end without any, or -errno.
struct Received {
  long count;
  std::optional<uint8_t> type;  // nothing: no record came
};
Received receive(int fd, std::span<uint8_t> into);
// A record of its own. Bytes that were sent, or -errno.
long send(int fd, uint8_t type, std::span<const uint8_t> bytes);

// Bytes that the socket has taken of the connection's whole stream, up to a constant: those that
// are acknowledged, and those that are to be. It may say less, when an acknowledgement comes
// meanwhile, never more. -errno.
int64_t taken(int fd);

}  // namespace penstock::sys::kernel_tls
