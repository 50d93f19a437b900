// The server's side of TLS over a stream's own socket, as a transport that is put on the stream
// once the handshake is done. Half-closes are carried both ways: our end is a close_notify and a
// FIN, the client's is its close_notify. A FIN without one is a stream cut short, which anybody on
// the way could have done: it is an error like a reset (RFC 8446 section 6.1).
// Thread: the worker's.   Lifetime: shorter than the stream's, which it follows.
// Cost: OpenSSL's session, about 14 KiB; a buffer only while a record is incomplete or unsent.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "loop/loop.h"
#include "loop/stream.h"
#include "loop/task.h"
#include "tls/carrier.h"
#include "tls/peer.h"
#include "tls/server_context.h"

namespace penstock::tls {

class Session final : public loop::Transport, private Carrier {
 public:
  // Cipher text on its way out, gathered so that a write is one system call. Empty between calls,
  // so the sessions of a thread share one.
  using Outbox = std::vector<uint8_t>;

  // What a client may send before it is known, with its certificates.
  static constexpr size_t kHandshakeBytesMax = size_t{64} * 1024;
  // Of one write(): what is read at a time.
  static constexpr size_t kWriteBytesMax = size_t{64} * 1024;

  Session(ServerContextPtr context, loop::Stream& stream, Outbox& outbox);
  Session(const Session&) = delete;  // its BIO knows where it is
  Session& operator=(const Session&) = delete;
  ~Session() override;

  // Takes the handshake on as far as it goes. True: done. Nothing else has been read or written of
  // the stream before, nor is until then.
  struct Progress {
    bool done = false;
    uint8_t needs = 0;  // of the stream, before it is asked again
    std::optional<Error> failed =
        {};  // kTlsPlainHttp: nothing was used up but what the client said first
  };
  Progress handshake();
  Peer peer() const { return read_peer(ssl_.get()); }

  void follow(loop::Stream& stream) override { stream_ = &stream; }
  // -ENODATA: the client's FIN came without a close_notify. -EPROTO: what it sent is no TLS.
  loop::Moved read(std::span<uint8_t> into) override;
  // What was taken only in part is encrypted all the same: the rest has to come again, as it was.
  loop::Moved write(std::span<const uint8_t> from) override;
  bool shutdown_write() override;

 private:
  long carry_in(std::span<uint8_t> into) override;
  long carry_out(std::span<const uint8_t> from) override;
  static void on_message(int written, int version, int type, const void* bytes, size_t size, SSL*,
                         void* self);
  bool flush();  // true: nothing is left to be sent
  long send(std::span<const uint8_t> bytes);
  loop::Moved settle_promise();
  int failure() const;
  Error handshake_failure(int result);

  loop::Stream* stream_;
  Outbox& outbox_;
  const ServerContextPtr context_;  // its callbacks serve this session
  OwnedSsl ssl_;
  std::vector<uint8_t> unsent_;  // cipher text that the socket did not take
  size_t promised_ = 0;          // plain text in it that write() has not yet called taken
  uint64_t received_ = 0;        // cipher text
  uint32_t key_updates_ = 0;
  int error_ = 0;  // the socket's, which the kernel tells only once
  bool shaking_hands_ : 1 = true;
  bool plain_http_ : 1 = false;
  bool ended_ : 1 = false;    // a FIN was read
  bool closing_ : 1 = false;  // close_notify has been said
};

// Until it is done, or `timer` expires (kTlsTimeout).
loop::Task<std::optional<Error>> shake_hands(Session& session, loop::Stream& stream,
                                             loop::Timer& timer);

}  // namespace penstock::tls
