// One client connection: what it holds, and the notes of its life. It lives in the frame of
// serve(); everything it holds gives itself back when that frame goes, however it goes.
// Thread: its worker's.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "admission/door.h"
#include "admission/ports.h"
#include "admission/quotas.h"
#include "base/list.h"
#include "identity/identity.h"
#include "loop/stream.h"
#include "loop/task.h"
#include "observe/probes.h"
#include "session/forwarding.h"
#include "session/inside.h"
#include "session/story.h"
#include "session/worker.h"
#include "tls/peer.h"

namespace penstock::session {

class Entrance;

// What accept() brought, or what a client's last request left to its next, or one stream of a
// connection of HTTP/2.
struct Arrival {
  loop::Stream stream;
  Endpoint client;  // who was announced, where somebody was
  admission::Seat seat;
  uint64_t number = 0;
  uint16_t listener = 0;  // its place in `listeners:`
  // Of a client that has asked before, or of a stream.
  const Entrance* entrance = nullptr;  // null: it has not
  std::vector<uint8_t> early{};
  std::unique_ptr<tls::Peer> secured{};
  std::unique_ptr<Announced> announced{};
  std::shared_ptr<const Inside> inside{};
  uint8_t challenges = 0;
};

class Connection : public ListNode {
 public:
  Connection(Worker& owner, loop::RootTask::promise_type& root, Arrival& arrival);
  // Settles: exactly one log line and one set of counters, whichever way it ended.
  ~Connection();

  // Ends it from outside: both sides are reset, and `why` is logged. The connection is gone
  // when this returns.
  void end(Code why);

  // Goes on under `now` if its policy lets this tunnel be; false, and unchanged, if not.
  bool adopt(const SituationPtr& now);

  bool seated() const { return static_cast<bool>(seat_); }
  const config::Config& config() const { return *situation->config; }
  // The one by which it came. Reloads leave the list as it is.
  const config::Listener& listener() const { return config().listeners[listener_place]; }
  // What it speaks TLS by; null: none.
  tls::ServerContextPtr tls_context() const { return situation->tls_context(listener_place); }
  policy::Asker asker() const {
    // What is inside a tunnel goes where the tunnel may, however it asks there.
    const std::string_view method =
        forward && !inside ? std::string_view(forward->request.method) : policy::Asker::kTunnel;
    if (!who) return {.client = story.client.address, .method = method};
    return {story.client.address, who->name, who->groups, method};
  }
  // What the probes say of a step that took so long and ended so.
  observe::probe::Step step_end(int64_t us, const char* error = "") const {
    return {story.number, story.target.host.c_str(), story.target.port, us, error};
  }

  Worker& worker;
  std::unique_ptr<tls::Peer> secured;  // null: it came by a listener without TLS
  const Entrance* entrance = nullptr;  // null: too little was heard to know
  SituationPtr situation;              // as it was when the connection began, or last let it go on
  Story story;
  identity::IdentityPtr who;  // who asks; null: nobody was identified
  loop::Stream client;
  admission::PortShare port;  // of the origin's stream, which goes before it
  loop::Stream origin;
  // What the client has sent and nobody has used yet: of its request, then what came behind it.
  std::vector<uint8_t> early;
  admission::QuotaShare quota_share;
  std::unique_ptr<Forwarding> forward;  // null: it asks for a tunnel
  // It is inspected, or is a request inside a tunnel that is; null: neither.
  std::shared_ptr<const Inside> inside;
  const uint16_t listener_place;  // in `listeners:`
  uint8_t challenges;             // how often in a row the client has been told to say who it is
  bool may_repeat : 1 = false;    // of its request
  // What is left of it serves the client's next request, once this one has been settled.
  bool client_persists : 1 = false;
  // It carries streams of HTTP/2, each of which has a life of its own, and asks for nothing itself.
  bool is_trunk : 1 = false;
  uint32_t streams = 0;  // that were asked for by it

 private:
  policy::Decision judge(const Situation& now) const;
  bool way_is_open(policy::Decision& decision, const Situation& now) const;
  void hand_on();

  loop::RootTask::promise_type& root_;
  admission::Seat seat_;
};

// A connection's whole life, from accept to settle. Without a seat it is a short one.
// `arrival` is emptied before the first wait, and may go then.
loop::RootTask serve(Worker& worker, Arrival& arrival);

}  // namespace penstock::session
