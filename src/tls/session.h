// TLS over a stream, as a transport that is put on the stream once the handshake is done, or when
// it begins: the server's side towards a client, the client's towards a parent or an origin. Below
// it is the stream's socket, or the transport that was on the stream: TLS in TLS is what is
// inspected of whoever came by an HTTPS proxy. Half-closes are carried
// both ways: our end is a close_notify and a FIN, the peer's is its close_notify. A FIN without one
// is a stream cut short, which anybody on the way could have done: it is an error like a reset
// (RFC 8446 section 6.1).
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
#include "tls/client_context.h"
#include "tls/kernel_notes.h"
#include "tls/peer.h"
#include "tls/server_context.h"

namespace penstock::tls {

class Session final : public loop::Transport, private Carrier {
 public:
  // Cipher text on its way out, gathered so that a write is one system call. Empty between calls,
  // so the sessions of a thread share one.
  using Outbox = std::vector<uint8_t>;

  // What a peer may send before it is known, with its certificates.
  static constexpr size_t kHandshakeBytesMax = size_t{64} * 1024;
  // Of one write(): what is read at a time, and the frames or chunks that it was put in.
  static constexpr size_t kWriteBytesMax = size_t{65} * 1024;

  // The server's side. `early`: what was read of the stream already, in front of the rest. All of
  // it is used up by the time that the handshake and what came with it have been read: who hands
  // the socket to somebody else behind the handshake has to ask pending() first.
  Session(const ServerContextPtr& context, loop::Stream& stream, Outbox& outbox,
          std::vector<uint8_t> early = {});
  // The client's side, towards `parent`.
  Session(const ClientContextPtr& context, const http::Authority& parent, loop::Stream& stream,
          Outbox& outbox);
  // Either side, of a session that somebody else has made ready. `context`: what its callbacks
  // serve. It takes off what is on `stream`, and works on that.
  enum class Side : uint8_t { kServer, kClient };
  Session(std::shared_ptr<const void> context, OwnedSsl ssl, Side side, loop::Stream& stream,
          Outbox& outbox, std::vector<uint8_t> early = {});
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
  const char* version() const { return SSL_get_version(ssl_.get()); }  // "TLSv1.3"
  bool resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
  // Bytes of the stream that were read and not yet asked for.
  bool pending() const { return !early_.empty() || SSL_has_pending(ssl_.get()) == 1; }

  SSL* ssl() const { return ssl_.get(); }

  // Of the client's side that has failed, in the handshake or behind it: why, in words of OpenSSL;
  // null: it does not know more. And whether the peer said so, by an alert.
  const char* reason() const { return reason_; }
  bool alerted() const { return alerted_; }

  void follow(loop::Stream& stream) override;
  loop::Transport* below() override { return below_.get(); }
  long unsent() const override { return below_ ? below_->unsent() : 0; }
  int pending_error() const override { return below_ ? below_->pending_error() : 0; }
  void reset_on_close() override;
  // -ENODATA: the client's FIN came without a close_notify. -EPROTO: what it sent is no TLS.
  loop::Moved read(std::span<uint8_t> into) override;
  // What was taken only in part is encrypted all the same: the rest has to come again, as it was.
  loop::Moved write(std::span<const uint8_t> from) override;
  bool shutdown_write() override;

  std::optional<sys::kernel_tls::Cipher> kernel_cipher() const {
    return tls::kernel_cipher(SSL_get_current_cipher(ssl_.get()));
  }
  // What has arrived and is here already is read into `early`, and nothing else. Then, if records
  // can be made and read elsewhere from here on, all that it takes; if not, this session goes on.
  std::optional<Continuation> conclude(std::vector<uint8_t>& early);

 private:
  bool server() const { return SSL_is_server(ssl_.get()) == 1; }
  loop::Moved take_in(std::span<uint8_t> into);
  long carry_in(std::span<uint8_t> into) override;
  long carry_out(std::span<const uint8_t> from) override;
  static void on_message(int written, int version, int type, const void* bytes, size_t size, SSL*,
                         void* self);
  bool flush();  // true: nothing is left to be sent
  long send(std::span<const uint8_t> bytes);
  loop::Moved settle_promise();
  int failure() const;
  Error handshake_failure(int result);
  Error parent_failure();
  void note_reason();

  loop::Stream* stream_;
  std::unique_ptr<loop::Transport> below_;  // null: the socket
  // What is below gathers in the thread's while this one is at work.
  const std::unique_ptr<Outbox> own_outbox_;
  Outbox& outbox_;
  const std::shared_ptr<const void> context_;  // its callbacks serve this session
  OwnedSsl ssl_;
  std::unique_ptr<KernelNotes> notes_;  // null: nobody wants them
  std::vector<uint8_t> early_;          // cipher text that was read before there was a session
  std::vector<uint8_t> unsent_;         // cipher text that the socket did not take
  size_t promised_ = 0;                 // plain text in it that write() has not yet called taken
  uint64_t received_ = 0;               // cipher text
  uint32_t key_updates_ = 0;
  int error_ = 0;  // the socket's, which the kernel tells only once
  const char* reason_ = nullptr;
  bool shaking_hands_ : 1 = true;
  bool plain_http_ : 1 = false;
  bool alerted_ : 1 = false;
  bool ended_ : 1 = false;       // a FIN was read
  bool closing_ : 1 = false;     // close_notify has been said
  bool concluding_ : 1 = false;  // no record is begun any more
};

// Until it is done, or `timer` expires (kTlsTimeout).
loop::Task<std::optional<Error>> shake_hands(Session& session, loop::Stream& stream,
                                             loop::Timer& timer);

}  // namespace penstock::tls
