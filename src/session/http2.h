// One stream of a connection of HTTP/2, as the client's end of a tunnel or of a request that is
// forwarded (session/http2_end.h). Thread: the worker's.   Lifetime: its Connection's client's; the
// trunk may go before.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "h2/session.h"
#include "session/http2_end.h"

namespace penstock::session {

class Connection;
class Trunk;

class Http2Stream final : public Http2End<h2::Stream> {
 public:
  struct Asked {
    Result<h2::Request> request;
    std::string sketch;  // for the log, where it was not understood
  };

  Http2Stream(Trunk& trunk, h2::StreamId id, Asked asked);
  ~Http2Stream() override;

  // That of a connection that came by one; null: it did not.
  static Http2Stream* of(const Connection& c);

  // What was asked; once.
  std::unique_ptr<Asked> take_asked() { return std::move(asked_); }
  // Of a head as HTTP/1.1 has it: an interim answer, behind which others come.
  void inform(std::string_view head);
  // The answer. Granted: bytes go both ways from here on. If not, what follows is the refusal's
  // text and then the end, and nothing that the client sends is read.
  void answer(std::string_view head, bool granted);
  // The same of an answer without a body.
  void answer_whole(std::string_view head);
  // Which connection it is a stream of: its number in the log.
  uint64_t trunk_number() const { return trunk_number_; }

 private:
  void received(std::span<const uint8_t> bytes) override;
  h2::Stream::Piece send(std::span<uint8_t> into) override;
  bool granted() const override { return granted_; }
  bool is_read_out() const override { return refused_ ? end_said_ : peer_ended_; }

  h2::Session& session() const;
  h2::Reset last_word() const;

  std::unique_ptr<Asked> asked_;
  const uint64_t trunk_number_;
  bool granted_ : 1 = false;
  bool refused_ : 1 = false;
};

// A head that has been put in words of HTTP/1.1, as fields: without what is about a connection of
// that, and without its first line.
void append_fields(std::vector<h2::Field>& out, std::string_view head);

}  // namespace penstock::session
