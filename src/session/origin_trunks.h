// Connections of HTTP/2 to the origins of inspected tunnels, each of which several requests share.
// A request may go by one that was made for the same authority, by an endpoint among the routes
// that it has had judged for itself, and under the same trust (dial/idle_origins.h has the same
// rule): what the policy or DNS no longer leads to is not reached by what was open before.
//
// The origin says how many requests one takes at a time. Where there is no place, and somebody is
// making a connection already, others wait for that instead of making one each. There are at most
// kMaxEach to one authority; who finds all of them full waits for a place.
//
// Each holds a seat and a port like a connection. One that carries nothing goes after a few
// seconds, and where seats or memory are short; all go when the configuration does and when the
// proxy drains, those that carry something once they do not any more.
//
// Thread: the worker's.   Lifetime: the worker outlives it; streams may outlive their trunk.
// Cost: an h2::ClientSession and its Frames each.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "admission/door.h"
#include "base/error.h"
#include "base/list.h"
#include "dial/idle_origins.h"
#include "dial/reach.h"
#include "h2/client_session.h"
#include "http/authority.h"
#include "loop/loop.h"
#include "loop/task.h"
#include "policy/decision.h"
#include "session/frames.h"
#include "session/origin_stream.h"

namespace penstock::session {

class OriginTrunks;
class Worker;

// To whom connections lead that are alike.
struct OriginGroup final : public ListNode, public std::enable_shared_from_this<OriginGroup> {
  OriginGroup(loop::Loop& loop, const http::Authority& to, dial::IdleOrigins::Trust by)
      : target(to), trust(std::move(by)), changed(loop) {}

  const http::Authority target;
  const dial::IdleOrigins::Trust trust;
  loop::Event changed;  // there may be a place now, or there will be none
  List<OriginTrunk> trunks;
  size_t count = 0;                     // of them
  size_t coming = 0;                    // that are being made
  size_t waiting = 0;                   // for a place
  size_t width = h2::Limits().streams;  // of the last one that said so
  uint64_t failures = 0;                // to make one
};
using OriginGroupPtr = std::shared_ptr<OriginGroup>;

// One of them.
class OriginTrunk final : public ListNode, public Http2Carrier {
 public:
  // `group`: null, it is for one request alone.
  OriginTrunk(Worker& worker, dial::Reached reached, OriginGroupPtr group, admission::Seat seat);
  OriginTrunk(const OriginTrunk&) = delete;
  OriginTrunk& operator=(const OriginTrunk&) = delete;
  virtual ~OriginTrunk();

  loop::Task<> carry();

  // One more request may go by it.
  bool has_place() const;
  // How many it takes is still to be heard.
  bool is_new() const { return !session_.is_known() && !session_.going(); }
  bool is_idle() const { return count_ == 0; }
  // Nothing new goes by it.
  void retire();

  // For its streams.
  h2::ClientSession& session() { return session_; }
  h2::Link& link() override { return session_; }
  void wake() override { work_.announce(loop::kReadable); }
  void enter(OriginStream& stream);
  void leave(OriginStream& stream, bool asked);
  void note_asked();
  int socket() const { return reached_.stream.fd(); }
  const Endpoint& peer() const { return reached_.peer; }

 private:
  bool is_done() const;
  void lose_streams(Code why);
  void tell_group();

  Worker& worker_;
  const OriginGroupPtr group_;
  admission::Seat seat_;
  dial::Reached reached_;
  loop::Source work_;  // readable: a stream has something to be sent
  h2::ClientSession session_;
  Frames frames_;
  List<OriginStream> streams_;
  size_t count_ = 0;     // of them
  size_t reserved_ = 0;  // of them, those that have not asked yet
  Instant alone_since_;  // without a stream
  bool retired_ = false;
};

class OriginTrunks {
 public:
  // Of one worker, and of them to one authority.
  static constexpr size_t kMax = 256;
  static constexpr size_t kMaxEach = 16;
  static constexpr Duration kAge = std::chrono::seconds(8);

  explicit OriginTrunks(Worker& worker) : worker_(worker) {}
  OriginTrunks(const OriginTrunks&) = delete;
  OriginTrunks& operator=(const OriginTrunks&) = delete;

  using Trust = dial::IdleOrigins::Trust;
  using StreamPtr = std::unique_ptr<OriginStream>;

  // A place by one that is there; null: none has one.
  StreamPtr take(const http::Authority& target, std::span<const policy::Route> routes,
                 const Trust& trust);
  // Whoever has one makes a connection that others may wait for.
  class Coming {
   public:
    explicit Coming(OriginGroupPtr group) : group_(std::move(group)) { ++group_->coming; }
    Coming(const Coming&) = delete;
    Coming& operator=(const Coming&) = delete;
    ~Coming() {
      --group_->coming;
      group_->changed.notify_all();
    }
    // There will be none: each of those who wait does for itself.
    void fail() { ++group_->failures; }

   private:
    const OriginGroupPtr group_;
  };
  struct Found {
    StreamPtr stream;
    std::unique_ptr<Coming> coming;  // where there is no stream: the caller makes one
  };
  // The same as take(), and waits until `deadline` for one that is being made, or for a place.
  // kNoStream: there may be no more of them.
  loop::Task<Result<Found>> seek(const http::Authority& target,
                                 std::span<const policy::Route> routes, const Trust& trust,
                                 Instant deadline);

  // `reached` speaks HTTP/2. Its first place is the caller's. `shared`: others may go by it.
  StreamPtr open(dial::Reached reached, const http::Authority& target, const Trust& trust,
                 bool shared);
  // The same for nobody yet; closed instead where there is no room.
  void keep(dial::Reached reached, const http::Authority& target, const Trust& trust);

  // All of them go; with close() for good.
  void drop_all();
  void close();
  // Those that carry nothing go if seats or memory are short.
  void yield();

 private:
  OriginGroupPtr group(const http::Authority& target, const Trust& trust);
  OriginGroup* find(const http::Authority& target, const Trust& trust);
  admission::Seat seat_for(const OriginGroup& group);
  static loop::RootTask run(std::unique_ptr<OriginTrunk> trunk);

  Worker& worker_;
  bool closed_ = false;
  List<OriginGroup> groups_;
  loop::TaskSet tasks_;  // last: they end before what they use
};

}  // namespace penstock::session
