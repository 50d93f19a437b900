// One connection of HTTP/2 over nghttp2, whichever side of it we are: bytes in, bytes out, and what
// its streams say in between. Nobody waits here and nothing is read or written; who owns it does
// that. What a head means is for the two sides to say: h2/session.h is a server's,
// h2/client_session.h a client's.
//
// What the library leaves open is closed here. Windows open as bytes are consumed, and not as they
// arrive: a stream holds `window` bytes at most, and holds up no other. No header that comes is
// kept compressed (SETTINGS_HEADER_TABLE_SIZE 0), so that there is nothing to blow up and no
// credential lies in a table; nor is one of a request that we send, which could be guessed from how
// well another's is compressed beside it (RFC 7541 section 7.1.3). Pings, settings and other frames
// that cost the other side nothing are counted against time, and too many of them end the
// connection.
//
// Pure: no descriptor; the time is told.   Thread: one.
// Cost: 8 KiB, and about 0.5 KiB for each stream.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "h2/allowance.h"
#include "h2/fields.h"
#include "http/head.h"

struct nghttp2_session;
struct nghttp2_option;

namespace penstock::h2 {

using StreamId = int32_t;

// RFC 9113 section 7.
enum class Reset : uint32_t {
  kNoError = 0x0,
  kProtocolError = 0x1,
  kInternalError = 0x2,
  kRefusedStream = 0x7,
  kCancel = 0x8,
  kConnectError = 0xa,
  kEnhanceYourCalm = 0xb,
  kHttp11Required = 0xd,
};

struct Limits {
  http::HeadLimits head;
  // Of what is to be forwarded: inside a tunnel that is inspected it is "https".
  std::string_view scheme = "http";
  uint32_t streams = 128;
  // Of each stream, towards us: at first, and for one that takes its window twice in a second and
  // whose bytes all go on at once. For 64 KiB a round trip is little on a long way.
  uint32_t window = 64 * 1024;
  uint32_t window_max = 1024 * 1024;
  // What the windows of all streams together may have beyond the first.
  uint32_t windows_more = 4 * 1024 * 1024;
};

using Trailers = std::vector<Field>;

// One stream, as its session speaks to it. It lives until closed() or Link::forget().
class Stream {
 public:
  // Bytes from the other side: its window at most, until the session is told that they are
  // Link::consumed().
  virtual void received(std::span<const uint8_t> bytes) = 0;
  // The other side says no more, and has said this behind its last byte.
  virtual void ended(Trailers trailers) = 0;
  // The session has forgotten it. `why`: of the RST_STREAM that did it, or kNoError.
  virtual void closed(Reset why) = 0;
  // The next bytes for the other side, as many as there are and fit. None, and no end: it says
  // Link::resume() when there are.
  struct Piece {
    size_t bytes;
    bool end;
    Trailers trailers = {};  // behind the end
  };
  virtual Piece send(std::span<uint8_t> into) = 0;
  // A head that was our last word by it has been given to next().
  virtual void said_all() {}
  // Its request has been granted: it is a tunnel.
  virtual bool granted() const { return false; }

 protected:
  ~Stream() = default;

 private:
  friend class Link;
  friend class Session;
  friend class ClientSession;
  bool tunnel_ = false;
  uint32_t window_ = 0;
  uint32_t held_ = 0;   // received and not consumed
  uint32_t taken_ = 0;  // consumed since
  Instant since_{};
};

class Link {
 public:
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // What the other side has sent. Afterwards failure() may say that the connection is over.
  void feed(std::span<const uint8_t> bytes, Instant now);
  // What is to be sent next; empty: nothing for now. It stands until the next call.
  std::span<const uint8_t> next();
  // Frames that wait to be sent, bytes of streams left out.
  size_t backlog() const;
  // Nothing more is to be read, and next() has given everything.
  bool over() const;
  // Why it ends before its time. A GOAWAY that says so may still be in next().
  const std::optional<Error>& failure() const { return failure_; }

  void resume(StreamId id);
  void reset(StreamId id, Reset why);
  // The stream is not spoken to any more; what still comes for it is thrown away.
  void forget(StreamId id);
  // So many bytes of the stream have gone on, and the other side may send as many again.
  void consumed(StreamId id, size_t bytes);
  // No new streams of the other side's; those that there are go on to their end.
  void go_away();

 protected:
  struct Words {  // for what ends the connection
    Code broken;
    Code flood;
  };
  // `open`: nghttp2_session_server_new3 or nghttp2_session_client_new3.
  enum class Side : uint8_t { kServer, kClient };
  Link(Side side, const Limits& limits, Words words);
  virtual ~Link();

  // A block of fields: of the first head of a stream, or of what comes behind that.
  virtual void begin_fields(StreamId id, bool first) = 0;
  // How large the block is by now.
  virtual size_t take_field(std::string_view name, std::string_view value) = 0;
  virtual void end_fields(StreamId id, bool first, bool last) = 0;
  virtual bool may_receive(Stream& /*stream*/, StreamId /*id*/, size_t /*bytes*/) { return true; }
  virtual void end_stream(StreamId id, Stream& stream, Trailers trailers) = 0;
  virtual void note_settings() {}
  virtual void note_going() {}
  virtual void note_reset_received(StreamId id) = 0;
  virtual void note_reset_sent(uint32_t code) = 0;
  virtual void note_closed() {}

  // kEnhanceYourCalm: it has flooded us. Else it has broken a rule.
  void give_up(Reset why);
  Stream* stream(StreamId id) const;
  bool broken() const { return broken_; }
  nghttp2_session* library() const { return session_.get(); }
  // A head of ours, with a body behind it or none.
  enum class Behind : uint8_t { kHeads, kBody, kNothing };
  StreamId submit(StreamId id, const std::vector<Field>& fields, Behind behind, Stream* stream);

  const Limits limits_;
  const Words words_;
  Allowance idle_frames_;
  Instant now_{};
  uint64_t goaways_ = 0;  // sent

 private:
  struct Callbacks;  // nghttp2's, in link.cpp
  struct Close {
    void operator()(nghttp2_session* session) const;
  };

  void widen(StreamId id, Stream& stream, uint32_t taken);
  void note_frame(uint8_t type, size_t length, bool last);
  void note_sent(uint8_t type, size_t length, uint32_t code);

  std::unique_ptr<nghttp2_session, Close> session_;
  std::vector<uint8_t> last_words_;  // where the library cannot say them any more
  std::optional<Error> failure_;
  uint32_t windows_more_ = 0;  // given
  bool broken_ = false;        // the library is not to be called again
  bool said_ = false;          // last_words_ have been given
};

}  // namespace penstock::h2
