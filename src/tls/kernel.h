// TLS by the kernel, in the place of a Session whose handshake is done: splice(2) moves what the
// stream carries, and OpenSSL's memory is given back. Ends are carried as a Session carries them.
// Thread: the worker's.   Lifetime: shorter than the stream's, which it follows.
// Cost: 250 bytes, and what the kernel keeps of it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "loop/stream.h"
#include "tls/kernel_offer.h"
#include "tls/session.h"

namespace penstock::tls {

class KernelSession final : public loop::Transport {
 public:
  // The socket reads records already; it writes them too where there is no `writer`, which does it
  // otherwise. It had `taken` when it began to (sys::kernel_tls::taken()).
  KernelSession(loop::Stream& stream, Continuation from, int64_t taken,
                std::unique_ptr<loop::Transport> writer);
  ~KernelSession() override;

  void follow(loop::Stream& stream) override;
  // -ENODATA: a FIN without a close_notify. -EBADMSG: a record that was tampered with.
  // -EKEYEXPIRED: the peer has changed its keys, and the kernel does not. -EPROTO: a record that
  // has no place here.
  loop::Moved read(std::span<uint8_t> into) override;
  loop::Moved write(std::span<const uint8_t> from) override;
  bool shutdown_write() override;
  bool spliceable() const override { return !writer_; }
  void note_spliced(size_t bytes) override { reckoned_ += static_cast<int64_t>(bytes); }
  // The kernel has records that a full socket did not take, tells nobody, and forgets them when the
  // socket is closed. So what the socket should have is reckoned, and compared with what it has.
  long unsent() const override;

 private:
  // What the peer may send of something that is not the tunnel's: an alert, a KeyUpdate.
  static constexpr size_t kNoticeBytesMax = 5;

  int hear(uint8_t type, std::span<const uint8_t> bytes);  // 0, or an errno
  int hear_alert(uint8_t level, uint8_t description);
  int renew_keys(bool asked);
  long say(uint8_t type, std::span<const uint8_t> bytes);

  int64_t records(uint64_t count) const;  // bytes that so many of them have around their content

  loop::Stream* stream_;
  const std::unique_ptr<loop::Transport> writer_;
  const std::unique_ptr<Continuation> keys_;
  const size_t overhead_;
  // What the socket should have taken, but for what is around the content of the records of these
  // keys.
  int64_t reckoned_;
  uint32_t key_updates_ = 0;
  std::array<uint8_t, kNoticeBytesMax> notice_{};
  uint8_t notice_size_ = 0;
  bool ended_ : 1 = false;     // the peer has said close_notify
  bool closing_ : 1 = false;   // we have
  bool finished_ : 1 = false;  // and a FIN went after it
};

// What became of an attempt to hand a session over.
struct HandedOver {
  bool done = false;
  int refused = 0;  // what the kernel said for the first time, an errno; 0: nothing new
};

// Puts the kernel in the place of the Session on `stream`, if it takes both directions, and the
// session can be left here; else nothing has changed, but that what had arrived may be in `early`.
HandedOver hand_over(loop::Stream& stream, KernelOffer& offer, std::vector<uint8_t>& early);

}  // namespace penstock::tls
