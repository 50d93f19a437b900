// The server's side of one connection of HTTP/2 that carries CONNECT and nothing else (RFC 9113
// section 8.5), over nghttp2: bytes in, bytes out, and what its streams say in between. Nobody
// waits here and nothing is read or written; who owns it does that.
//
// What the library leaves open is closed here. Requests are read by our own rules (h2/request.h).
// Windows open as bytes are consumed, and not as they arrive: a stream holds `window` bytes at
// most, and holds up no other. No header is kept compressed (SETTINGS_HEADER_TABLE_SIZE 0), so that
// there is nothing to blow up and no credential lies in a table. Resets, pings, settings and other
// frames that cost a client nothing are counted against time, and too many of them end the
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
#include "h2/request.h"

struct nghttp2_session;

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
};

inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct Limits {
  http::HeadLimits head;
  // Of what is to be forwarded: inside a tunnel that is inspected it is "https".
  std::string_view scheme = "http";
  uint32_t streams = 128;
  // Of each stream, from client to us: at first, and for one that takes its window twice in a
  // second and whose bytes all go on at once. For 64 KiB a round trip is little on a long way.
  uint32_t window = 64 * 1024;
  uint32_t window_max = 1024 * 1024;
  // What the windows of all streams together may have beyond the first.
  uint32_t windows_more = 4 * 1024 * 1024;
};

// One stream, as its session speaks to it. It lives until closed() or Session::forget().
class Stream {
 public:
  // Bytes of the client's: its window at most, until the session is told that they are
  // Session::consumed().
  virtual void received(std::span<const uint8_t> bytes) = 0;
  // The client says no more.
  virtual void ended() = 0;
  // The session has forgotten it. `why`: of the RST_STREAM that did it, or kNoError.
  virtual void closed(Reset why) = 0;
  // The next bytes for the client, as many as there are and fit. None, and no end: it says
  // Session::resume() when there are.
  struct Piece {
    size_t bytes;
    bool end;
  };
  virtual Piece send(std::span<uint8_t> into) = 0;
  // Its request has been granted: it is a tunnel.
  virtual bool granted() const = 0;

 protected:
  ~Stream() = default;

 private:
  friend class Session;
  bool tunnel_ = false;
  uint32_t window_ = 0;
  uint32_t held_ = 0;   // received and not consumed
  uint32_t taken_ = 0;  // consumed since
  Instant since_{};
};

class Owner {
 public:
  // A request has come, or what was taken for one; `asked` is its method and target for the log.
  // Null: there is no room for it (REFUSED_STREAM).
  virtual Stream* requested(StreamId id, Result<Request> request, std::string asked) = 0;

 protected:
  ~Owner() = default;
};

struct Field {
  std::string name;  // lower case
  std::string value;
};

class Session {
 public:
  Session(const Limits& limits, Owner& owner);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  // What the client has sent. Afterwards failure() may say that the connection is over.
  void feed(std::span<const uint8_t> bytes, Instant now);
  // What is to be sent next; empty: nothing for now. It stands until the next call.
  std::span<const uint8_t> next();
  // Frames that wait to be sent, bytes of tunnels left out.
  size_t backlog() const;
  // Nothing more is to be read, and next() has given everything.
  bool over() const;
  // Why it ends before its time. A GOAWAY that says so may still be in next().
  const std::optional<Error>& failure() const { return failure_; }

  // The head of an interim answer (1xx), `:status` first; others follow.
  void inform(StreamId id, const std::vector<Field>& fields);
  // The head of the answer, `:status` first; what is behind it comes from Stream::send().
  void answer(StreamId id, const std::vector<Field>& fields);
  void resume(StreamId id);
  void reset(StreamId id, Reset why);
  // The stream is not spoken to any more; what still comes for it is thrown away.
  void forget(StreamId id);
  // So many bytes of the stream have gone on, and the client may send as many again.
  void consumed(StreamId id, size_t bytes);
  // No new streams; those that there are go on to their end.
  void go_away();

  struct Counts {
    uint64_t client_resets = 0;
    uint64_t proxy_resets = 0;
    uint64_t goaways = 0;  // sent
  };
  const Counts& counts() const { return counts_; }

 private:
  struct Callbacks;  // nghttp2's, in session.cpp
  struct Close {
    void operator()(nghttp2_session* session) const;
  };

  void give_up(Code why);
  Stream* stream(StreamId id) const;
  void widen(StreamId id, Stream& stream, uint32_t taken);
  void begin_headers(StreamId id, bool request);
  void end_headers(StreamId id, bool request, bool last);
  void note_frame(uint8_t type, size_t length, bool last);
  void note_reset_received(StreamId id);
  void note_sent(uint8_t type, size_t length, uint32_t code);

  const Limits limits_;
  Owner& owner_;
  std::unique_ptr<nghttp2_session, Close> session_;
  std::unique_ptr<RequestReader> reading_;  // the header block that is coming in
  std::vector<uint8_t> last_words_;         // where the library cannot say them any more
  std::optional<Error> failure_;
  Counts counts_;
  Instant now_{};
  uint32_t windows_more_ = 0;  // given
  Allowance resets_;
  Allowance idle_frames_;
  bool broken_ = false;  // the library is not to be called again
  bool said_ = false;    // last_words_ have been given
};

}  // namespace penstock::h2
