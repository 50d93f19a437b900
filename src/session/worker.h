// What one thread lends its connections, and the list of those that live. Everything here belongs
// to the worker's thread; other threads send letters to its loop's mailbox.
// Lifetime: outlives its connections; its destructor ends those that are left.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "admission/door.h"
#include "admission/ports.h"
#include "admission/quotas.h"
#include "admission/routes.h"
#include "base/list.h"
#include "bpf/dial_clock.h"
#include "bump/inspector.h"
#include "config/config.h"
#include "dial/idle_origins.h"
#include "dial/source_pool.h"
#include "dial/spares.h"
#include "dns/resolver.h"
#include "identity/desk.h"
#include "loop/loop.h"
#include "loop/task.h"
#include "observe/line_sink.h"
#include "observe/program_log.h"
#include "policy/rules.h"
#include "session/icap_lines.h"
#include "session/idle_clients.h"
#include "session/metrics.h"
#include "session/origin_trunks.h"
#include "session/sample.h"
#include "sys/fd.h"
#include "tls/client_context.h"
#include "tls/server_context.h"
#include "tls/session.h"
#include "tunnel/relay.h"

namespace penstock::session {

struct Arrival;
class Connection;
class Http2Stream;
class Trunk;

// The configuration and the proxy's place in the network, as one immutable value: a connection
// that began under one never sees half of another.
struct Situation {
  config::Snapshot config;
  policy::Surroundings surroundings;
  std::vector<tls::ServerContextPtr> tls_contexts = {};  // by listener; null: it speaks none
  tls::ClientContextPtr parents_tls = {};                // null: no parent is spoken to in TLS
  bump::InspectorPtr inspector = {};                     // null: no rule inspects

  tls::ServerContextPtr tls_context(size_t listener) const {
    return listener < tls_contexts.size() ? tls_contexts[listener] : nullptr;
  }
};
using SituationPtr = std::shared_ptr<const Situation>;

class Worker {
 public:
  struct Parts {
    int number = 0;      // of this worker, from 0
    int workers = 1;     // how many there are
    uint32_t epoch = 0;  // of this process: makes log ids differ between runs
    admission::Door* door = nullptr;
    admission::Quotas* quotas = nullptr;
    identity::Desk* desk = nullptr;  // none: no configuration may have `identity`
    admission::Ports* ports = nullptr;
    admission::Routes* routes = nullptr;
    std::unique_ptr<observe::LineSink::Producer> log;
    SituationPtr situation;
    size_t pipes_max = 0;
    const bpf::DialClock* dial_clock = nullptr;  // none: the kernel is not asked
  };

  Worker(loop::Loop& loop, Parts parts);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();

  // A connection begins, by the listener of that place in `listeners:`. `seat` may be empty: then
  // it is told 503 and closed.
  void welcome(sys::Fd fd, const Endpoint& client, admission::Seat seat, uint16_t listener);

  // A stream of an HTTP/2 connection begins the life of a connection.
  void welcome(std::unique_ptr<Http2Stream> stream, const Connection& trunk);
  void enter(Trunk& trunk);

  // The next request of a client that has had an answer.
  void go_on(Arrival arrival);

  // A new configuration: for new connections, and for the live ones as `policy.reload` says.
  void adopt(SituationPtr situation);

  // From here on there is nothing new: idle connections go, answers say that they are the last, and
  // clients of HTTP/2 are told so (GOAWAY).
  void drain();
  bool draining() const { return draining_; }

  // Ends every connection that is left.
  void end_all(Code why);

  // What it has counted up to now.
  Sample sample();
  // Tunnels in which nothing has moved for `silence`: since when, for those `most` that have been
  // silent for longest, longest first.
  std::vector<Instant> longest_silences(Duration silence, size_t most);
  // Ends those, in a later turn: whoever has just become readable is served before.
  void close_idle(Duration silence, size_t most);

  // Brings the metrics up to now: bytes of live tunnels, presence, pipes, DNS.
  void refresh_metrics();
  // To be called about once a second: asks the kernel to find out when an origin has vanished,
  // which a tunnel shorter than that need not pay for, writes a log line for each tunnel that has
  // lived another `log.progress`, and ends those whose quota of bytes is used up and says so.
  void tend_tunnels();

  size_t live() const { return live_count_; }
  // Of them, those that are only being told that there is no seat.
  size_t unseated() const { return unseated_; }

  loop::Loop& loop() { return loop_; }
  const SituationPtr& situation() const { return situation_; }
  admission::Door& door() { return *door_; }
  admission::Quotas& quotas() { return *quotas_; }
  identity::Desk& desk() { return *desk_; }
  dns::Resolver& resolver() { return resolver_; }
  dial::Means means() { return {sources_, *ports_, *routes_}; }
  dial::Spares& spares() { return spares_; }
  dial::IdleOrigins& origins() { return origins_; }
  OriginTrunks& origin_trunks() { return origin_trunks_; }
  IdleClients& idle_clients() { return idle_clients_; }
  IcapLines& icap_lines() { return icap_lines_; }
  // Who we are in Via: of this process, so that another penstock on the way is no loop.
  const std::string& pseudonym() const { return pseudonym_; }
  tunnel::Relay& relay() { return relay_; }
  tls::Session::Outbox& tls_outbox() { return tls_outbox_; }
  const bpf::DialClock* dial_clock() const { return dial_clock_; }
  Metrics& metrics() { return *metrics_; }
  // Others may read while the worker runs and after it has gone.
  std::shared_ptr<const Metrics> shared_metrics() const { return metrics_; }
  observe::LineSink::Producer& log() { return *log_; }
  observe::LimitedLog& trouble() { return trouble_; }
  int number() const { return number_; }
  uint32_t epoch() const { return epoch_; }

 private:
  friend class Connection;
  struct BytesCarried {
    uint64_t up_copied = 0, up_spliced = 0, down_copied = 0, down_spliced = 0;
    void add(const Story& story);
  };
  void enter(Connection& connection);
  void leave(Connection& connection);
  void yield();
  void publish(const BytesCarried& bytes);
  std::vector<Connection*> idle_for(Duration silence, size_t most);
  loop::RootTask end_idle(Duration silence, size_t most);

  loop::Loop& loop_;
  const int number_;
  const uint32_t epoch_;
  const std::string pseudonym_;
  bool draining_ = false;
  admission::Door* door_;
  admission::Quotas* quotas_;
  identity::Desk* desk_;
  admission::Ports* ports_;
  admission::Routes* routes_;
  std::unique_ptr<observe::LineSink::Producer> log_;
  SituationPtr situation_;
  dns::Resolver resolver_;
  dial::SourcePool sources_;
  dial::Spares spares_;
  dial::IdleOrigins origins_;
  tunnel::Relay relay_;
  tls::Session::Outbox tls_outbox_;
  const bpf::DialClock* const dial_clock_;
  std::shared_ptr<Metrics> metrics_ = std::make_shared<Metrics>();
  observe::LimitedLog trouble_;
  uint64_t connections_ = 0;
  size_t live_count_ = 0;
  size_t unseated_ = 0;
  Instant tended_{};            // when tend_tunnels() was last called
  BytesCarried settled_bytes_;  // of connections that have ended
  List<Connection> live_;
  List<Trunk> trunks_;
  IdleClients idle_clients_{*this};
  IcapLines icap_lines_;
  OriginTrunks origin_trunks_{*this};
  loop::TaskSet tasks_;  // the connections; last, so that it ends them before what they use goes
};

}  // namespace penstock::session
