// One stream of a connection of HTTP/2 to an origin, as the origin's end of one request
// (session/http2_end.h). The request's head is given to it, and written as fields; the answer's is
// read from it as HTTP/1.1 has it, in front of the body. Thread: the worker's.
// Lifetime: its Connection's origin's; the connection that carries it may go before.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/ip.h"
#include "h2/client_session.h"
#include "session/http2_end.h"

namespace penstock::session {

class OriginTrunk;

class OriginStream final : public Http2End<h2::Asking> {
 public:
  // A place is kept for it from now on.
  explicit OriginStream(OriginTrunk& trunk);
  ~OriginStream() override;

  struct Manner {
    bool whole = false;     // there is no body behind the head
    bool trailers = false;  // the client is ready for them
  };
  // The request, once. `head`: as HTTP/1.1 has it, whole; what is about a connection of that is
  // left out.
  void ask(std::string_view head, Manner manner);

  // Why it could be read or written no further, before there was an answer.
  Code failure() const { return failure_; }
  // The origin wants the request by HTTP/1.1 (RFC 9113 section 7).
  bool wants_http1() const { return wants_http1_; }
  // No byte of a body has been taken from anybody: the request could be sent again.
  bool has_taken_nothing() const { return !has_taken_; }
  // The answer ended with its head.
  bool is_answered_whole() const { return whole_; }
  // Whose socket is shared: -1, it has gone.
  int socket() const;
  const Endpoint& peer() const { return peer_; }

  loop::Moved read(std::span<uint8_t> into) override;
  loop::Moved write(std::span<const uint8_t> from) override;

  // The one that carries it goes first, and `why`.
  void lose_trunk(Code why);

 private:
  void answered(h2::Answer answer, bool last) override;
  void spoilt(Code why) override;
  void closed(h2::Reset why) override;
  bool has_news() const override { return heads_at_ < heads_.size() || Http2End::has_news(); }
  void stop_asking();
  OriginTrunk& trunk() const;

  const Endpoint peer_;
  std::string heads_;  // that nobody has read yet
  size_t heads_at_ = 0;
  Code failure_ = Code::kResponseIncomplete;
  bool asked_ : 1 = false;
  bool has_taken_ : 1 = false;
  bool whole_ : 1 = false;
  bool wants_http1_ : 1 = false;
  bool takes_no_more_ : 1 = false;  // of the request, of which it has answered all it wants to
};

}  // namespace penstock::session
