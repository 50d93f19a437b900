// A connection of HTTP/2 while it lives: what its client says becomes streams, each of which has
// the life of a connection of its own (session/connection.cpp), and what those have to say becomes
// frames. The trunk itself asks for nothing and has no tunnel.
// Thread: the worker's.   Lifetime: a local of its connection's; streams may outlive it.
// Cost: an h2::Session and its Frames.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/list.h"
#include "h2/session.h"
#include "loop/task.h"
#include "session/connection.h"
#include "session/frames.h"
#include "session/http2.h"

namespace penstock::session {

class Trunk final : public ListNode, public Http2Carrier, private h2::Owner {
 public:
  explicit Trunk(Connection& c);
  Trunk(const Trunk&) = delete;
  Trunk& operator=(const Trunk&) = delete;
  virtual ~Trunk();

  // Until it has ended in order (nothing), or why it had to.
  loop::Task<std::optional<Error>> carry();

  // For its streams.
  h2::Session& session() { return session_; }
  uint64_t number() const { return c_.story.number; }
  void enter(Http2Stream& stream);
  void leave(Http2Stream& stream);
  h2::Link& link() override { return session_; }
  void wake() override { work_.announce(loop::kReadable); }

 private:
  h2::Stream* requested(h2::StreamId id, Result<h2::Request> request, std::string asked) override;

  std::optional<Error> hear();
  std::optional<Error> say();
  void start_arrived();
  void drain_if_told();
  struct Limit {
    Instant when;
    std::optional<Error> then;
  };
  Limit limit() const;
  loop::Task<> part();
  void lose_streams();
  void publish();

  Connection& c_;
  loop::Source work_;  // readable: a stream has something to be sent
  h2::Session session_;
  std::vector<std::unique_ptr<Http2Stream>> arrived_;  // not begun yet
  List<Http2Stream> streams_;                          // all that there are
  size_t count_ = 0;
  Frames frames_;
  Instant alone_since_;  // without a stream
  h2::Session::Counts published_;
  bool going_ = false;  // GOAWAY has been said
};

}  // namespace penstock::session
