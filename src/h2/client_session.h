// The client's side of one connection of HTTP/2 (h2/link.h): requests that go to an origin, and
// their answers. Answers are read by our own rules (h2/answer.h), and hold what they say: a body
// that is longer or shorter than its content-length, or that comes where there is none, is an error
// of the stream. Nothing is pushed. The origin says how many requests it takes at a time, and until
// it has it is given one.
//
// Pure: no descriptor; the time is told.   Thread: one.
// Cost: 8 KiB, and about 0.5 KiB for each stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "h2/answer.h"
#include "h2/link.h"

namespace penstock::h2 {

// A stream of a client's.
class Asking : public Stream {
 public:
  // The head of an interim answer, or of the answer. `last`: nothing is behind it.
  virtual void answered(Answer answer, bool last) = 0;
  // What has come is no answer: kBadResponse, kResponseTooLarge. The stream has been reset.
  virtual void spoilt(Code why) = 0;

 protected:
  ~Asking() = default;

 private:
  friend class ClientSession;
  std::optional<uint64_t> length_;  // that was promised of the body
  uint64_t got_ = 0;
  int interim_ = 0;
  bool heard_ = false;     // the head of the answer has come
  bool bodiless_ = false;  // there is no body behind it
  bool to_head_ = false;
};

class ClientSession final : public Link {
 public:
  // Interim answers to one request. Each costs a parse and a write; more are an attack.
  static constexpr int kInterimMax = 32;

  explicit ClientSession(const Limits& limits);
  ~ClientSession() override;

  // `fields` have the pseudo-fields first. `last`: there is no body; else it comes from
  // Stream::send(). 0: the connection takes no more requests.
  StreamId request(const std::vector<Field>& fields, bool last, Asking& stream);

  // How many requests it takes at a time: `Limits::streams` at most.
  size_t width() const;
  // Of them, how many there are, until the last frame of each has gone out and come in.
  size_t open() const { return open_; }
  // The origin has said what it takes.
  bool is_known() const { return known_; }
  // It takes no new requests: GOAWAY, or this is over.
  bool going() const { return going_ || failure() || over(); }

 private:
  void begin_fields(StreamId id, bool first) override;
  size_t take_field(std::string_view name, std::string_view value) override;
  void end_fields(StreamId id, bool first, bool last) override;
  bool may_receive(Stream& of, StreamId id, size_t bytes) override;
  void end_stream(StreamId id, Stream& of, Trailers trailers) override;
  void note_settings() override { known_ = true; }
  void note_going() override { going_ = true; }
  void note_reset_received(StreamId id) override;
  void note_reset_sent(uint32_t /*code*/) override {}
  void note_closed() override { --open_; }
  void end_head(StreamId id, Asking& stream, bool last);
  void spoil(StreamId id, Asking& stream, Code why);
  Asking* asking(StreamId id) const;

  // The block that is coming in: the one or the other, or of a stream that is nobody's any more.
  std::optional<AnswerReader> reading_;
  std::optional<TrailersReader> trailers_;
  size_t open_ = 0;
  bool known_ = false;
  bool going_ = false;
};

}  // namespace penstock::h2
