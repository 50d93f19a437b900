// One stream of a connection of HTTP/2, as the client's end of a tunnel or of a request that is
// forwarded: for its Connection it is a stream like any other. What the client has sent and nobody
// has taken yet is bounded by the window that it was given, what it has not taken yet by
// kUnsentMax. Thread: the worker's.   Lifetime: its Connection's client's; the trunk may go before.
// Cost: while idle, itself (200 bytes) and what the h2::Session keeps of it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/list.h"
#include "h2/session.h"
#include "loop/stream.h"

namespace penstock::session {

class Connection;
class Trunk;

class Http2Stream final : public loop::Transport, public h2::Stream, public ListNode {
 public:
  // What is taken of a tunnel's bytes before they can be framed: one buffer of the relay's.
  static constexpr size_t kUnsentMax = size_t{64} * 1024;

  struct Asked {
    Result<h2::Request> request;
    std::string sketch;  // for the log, where it was not understood
  };

  Http2Stream(Trunk& trunk, h2::StreamId id, Asked asked);
  ~Http2Stream() override;

  // That of a connection that came by one; null: it did not.
  static Http2Stream* of(const Connection& c);

  // Readiness is announced where the stream is that it is the transport of.
  void follow(loop::Stream& stream) override;
  // What was asked; once.
  std::unique_ptr<Asked> take_asked() { return std::move(asked_); }
  // Of a head as HTTP/1.1 has it: an interim answer, behind which others come.
  void inform(std::string_view head);
  // The answer. Granted: bytes go both ways from here on. If not, what follows is the refusal's
  // text and then the end, and nothing that the client sends is read.
  void answer(std::string_view head, bool granted);
  // Which connection it is a stream of: its number in the log.
  uint64_t trunk_number() const { return trunk_number_; }
  bool is_closed() const { return closed_; }

  // The trunk goes first.
  void lose_trunk(int why);

  loop::Moved read(std::span<uint8_t> into) override;
  loop::Moved write(std::span<const uint8_t> from) override;
  bool shutdown_write() override;
  long unsent() const override { return static_cast<long>(outgoing_.bytes.size() - outgoing_.at); }
  int pending_error() const override { return error_; }
  void reset_on_close() override { resetting_ = true; }

 private:
  // Bytes that are taken from the front; no memory while there are none.
  struct Queue {
    std::vector<uint8_t> bytes;
    size_t at = 0;
    size_t take(std::span<uint8_t> into);
    void put(std::span<const uint8_t> more);
    size_t size() const { return bytes.size() - at; }
  };

  void received(std::span<const uint8_t> bytes) override;
  void ended() override;
  void closed(h2::Reset why) override;
  Piece send(std::span<uint8_t> into) override;
  bool granted() const override { return granted_; }

  bool has_ended() const { return client_ended_ && end_said_; }
  void announce(uint8_t bits);
  void break_off(int why);
  void say_more();
  h2::Reset last_word() const;

  Trunk* trunk_;  // null: it has gone
  loop::Source* source_ = nullptr;
  std::unique_ptr<Asked> asked_;
  const uint64_t trunk_number_;
  Queue incoming_;
  Queue outgoing_;
  const h2::StreamId id_;
  int error_ = 0;
  bool granted_ : 1 = false;
  bool refused_ : 1 = false;
  bool client_ended_ : 1 = false;
  bool ending_ : 1 = false;    // our end is to be said behind what is unsent
  bool end_said_ : 1 = false;  // and has been
  bool resetting_ : 1 = false;
  bool closed_ : 1 = false;  // the session does not know it any more
};

}  // namespace penstock::session
