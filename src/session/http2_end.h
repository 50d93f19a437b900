// Our end of one stream of a connection of HTTP/2 that others share: for whoever has it, it is a
// stream like any other. What the other side has sent and nobody has taken yet is bounded by the
// window that it was given, what it has not taken yet by kUnsentMax. Thread: the worker's.
// Lifetime: its Connection's; the one that carries it may go before.
// Cost: while idle, itself (200 bytes) and what the h2::Link keeps of it.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/list.h"
#include "h2/link.h"
#include "loop/stream.h"

namespace penstock::session {

// The connection of HTTP/2, as its streams need it.
class Http2Carrier {
 public:
  virtual h2::Link& link() = 0;
  // There is something to do, in this turn.
  virtual void wake() = 0;

 protected:
  ~Http2Carrier() = default;
};

// Side: h2::Stream of a server's side, h2::Asking of a client's.
template <class Side>
class Http2End : public loop::Transport, public Side, public ListNode {
 public:
  // What is taken of somebody's bytes before they can be framed: one buffer of the relay's.
  static constexpr size_t kUnsentMax = size_t{64} * 1024;

  // Readiness is announced where the stream is that it is the transport of.
  void follow(loop::Stream& stream) override {
    source_ = &stream.source();
    announce(loop::kWritable);
    if (has_news()) announce(loop::kReadable);
    if (peer_ended_) announce(loop::kReadable | loop::kHangup);
    if (error_ != 0) break_off(error_);
  }

  // What has come is read in front of an error, as from a socket.
  loop::Moved read(std::span<uint8_t> into) override {
    if (const size_t count = incoming_.take(into)) {
      if (carrier_ != nullptr && !closed_) {
        carrier_->link().consumed(id_, count);
        carrier_->wake();
      }
      return {static_cast<long>(count)};
    }
    if (error_ != 0) return {-error_};
    return {is_read_out() ? 0 : -EAGAIN};
  }

  loop::Moved write(std::span<const uint8_t> from) override {
    if (error_ != 0) return {-error_};
    const size_t count = std::min(from.size(), kUnsentMax - outgoing_.size());
    if (count == 0) return {-EAGAIN};
    outgoing_.put(from.first(count));
    say_more();
    return {static_cast<long>(count)};
  }

  bool shutdown_write() override {
    if (error_ != 0) return true;
    if (!ending_) {
      ending_ = true;
      say_more();
    }
    return end_said_;
  }

  long unsent() const override { return static_cast<long>(outgoing_.size()); }
  int pending_error() const override { return error_; }
  void reset_on_close() override { resetting_ = true; }

  bool is_closed() const { return closed_; }
  // The other side says no more.
  bool peer_has_ended() const { return peer_ended_; }
  // What it has said behind its last byte; once.
  h2::Trailers take_trailers() { return take(heard_behind_); }
  // To be said behind our last byte; in front of shutdown_write().
  void trail(h2::Trailers trailers) {
    if (!trailers.empty()) {
      said_behind_ = std::make_unique<h2::Trailers>(std::move(trailers));
    }
  }

  // The one that carries it goes first.
  void lose_carrier(int why) {
    carrier_ = nullptr;
    unlink();
    if (error_ == 0 && !has_ended()) break_off(why);
  }

 protected:
  // Bytes that are taken from the front; no memory while there are none.
  struct Queue {
    std::vector<uint8_t> bytes;
    size_t at = 0;

    size_t take(std::span<uint8_t> into) {
      const size_t count = std::min(into.size(), size());
      std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(at), count, into.begin());
      at += count;
      if (at == bytes.size()) *this = {};
      return count;
    }
    void put(std::span<const uint8_t> more) {
      if (at > bytes.size() / 2) {  // so that each byte is moved once
        bytes.erase(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(at));
        at = 0;
      }
      bytes.insert(bytes.end(), more.begin(), more.end());
    }
    size_t size() const { return bytes.size() - at; }
  };

  Http2End(Http2Carrier& carrier, h2::StreamId id) : carrier_(&carrier), id_(id) {}

  void received(std::span<const uint8_t> bytes) override {
    incoming_.put(bytes);
    announce(loop::kReadable);
  }
  void ended(h2::Trailers trailers) override {
    peer_ended_ = true;
    if (!trailers.empty()) heard_behind_ = std::make_unique<h2::Trailers>(std::move(trailers));
    announce(loop::kReadable | loop::kHangup);
  }
  void closed(h2::Reset /*why*/) override {
    closed_ = true;
    if (!has_ended()) break_off(ECONNRESET);
  }
  h2::Stream::Piece send(std::span<uint8_t> into) override {
    const size_t count = outgoing_.take(into);
    end_said_ = ending_ && outgoing_.size() == 0;
    if (count > 0 || end_said_) announce(loop::kWritable);
    return {count, end_said_, end_said_ ? take(said_behind_) : h2::Trailers()};
  }
  void said_all() override {
    end_said_ = true;
    announce(loop::kWritable);
  }

  // Nothing more will come, and what has come was read.
  virtual bool is_read_out() const { return peer_ended_; }
  virtual bool has_news() const { return incoming_.size() > 0; }

  bool has_ended() const { return peer_ended_ && end_said_; }
  void announce(uint8_t bits) {
    if (source_ != nullptr) source_->announce(bits);
  }
  void break_off(int why) {
    error_ = why;
    outgoing_ = {};
    announce(loop::kReadable | loop::kWritable | loop::kHangup | loop::kBroken);
  }
  void say_more() {
    if (carrier_ == nullptr) return;
    carrier_->link().resume(id_);
    carrier_->wake();
  }
  // When this goes: the other side is told, `last_word` where it is not over for both.
  void part(h2::Reset last_word) {
    if (closed_) return;
    carrier_->link().forget(id_);
    // Both have ended, and it closes by itself.
    if (!has_ended() || resetting_) carrier_->link().reset(id_, last_word);
    carrier_->wake();
  }

  Http2Carrier* carrier_;  // null: it has gone
  loop::Source* source_ = nullptr;
  Queue incoming_;
  Queue outgoing_;
  h2::StreamId id_;
  int error_ = 0;
  bool peer_ended_ : 1 = false;
  bool ending_ : 1 = false;    // our end is to be said behind what is unsent
  bool end_said_ : 1 = false;  // and has been
  bool resetting_ : 1 = false;
  bool closed_ : 1 = false;  // the session does not know it any more

 private:
  static h2::Trailers take(std::unique_ptr<h2::Trailers>& from) {
    const auto taken = std::exchange(from, nullptr);
    return taken ? std::move(*taken) : h2::Trailers();
  }

  std::unique_ptr<h2::Trailers> heard_behind_;
  std::unique_ptr<h2::Trailers> said_behind_;
};

}  // namespace penstock::session
