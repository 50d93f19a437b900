// One client connection: what it holds, and the notes of its life. It lives in the frame of
// serve(); everything it holds gives itself back when that frame goes, however it goes.
// Thread: its worker's.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "admission/door.h"
#include "base/list.h"
#include "loop/stream.h"
#include "loop/task.h"
#include "session/story.h"
#include "session/worker.h"

namespace penstock::session {

class Connection : public ListNode {
 public:
  Connection(Worker& owner, loop::RootTask::promise_type& root, sys::Fd fd, const Endpoint& peer,
             admission::Seat seat, uint64_t number);
  // Settles: exactly one log line and one set of counters, whichever way it ended.
  ~Connection();

  // Ends it from outside: both sides are reset, and `why` is logged. The connection is gone
  // when this returns.
  void end(Code why);

  // Goes on under `now` if its policy lets this tunnel be; false, and unchanged, if not.
  bool adopt(const SituationPtr& now);

  // Adds to the metrics what has been carried since this was last called.
  void count_bytes();

  const config::Config& config() const { return *situation->config; }
  policy::Asker asker() const { return {story.client.address, {}}; }

  Worker& worker;
  SituationPtr situation;  // as it was when the connection began, or last let it go on
  Story story;
  loop::Stream client;
  loop::Stream origin;
  std::vector<uint8_t> early;  // what the client sent behind its request, until it is passed on
  bool client_ended = false;   // and then it closed its side
  admission::ClientShare client_share;
  Instant progress_due = kNever;  // of the next line of log.progress

 private:
  policy::Decision judge(const Situation& now) const;

  loop::RootTask::promise_type& root_;
  admission::Seat seat_;
  struct {
    tunnel::Carried up, down;
  } counted_;
};

// A connection's whole life, from accept to settle. Without a seat it is a short one.
loop::RootTask serve(Worker& worker, sys::Fd fd, Endpoint client, admission::Seat seat, uint64_t number);

}  // namespace penstock::session
