// The process: workers, admin, signals, reload and drain, composed in one place.
// Thread: the main one; workers are told by letter.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "admin/controls.h"
#include "admin/serve.h"
#include "admission/door.h"
#include "admission/ports.h"
#include "admission/quotas.h"
#include "admission/room.h"
#include "admission/routes.h"
#include "bpf/dial_clock.h"
#include "config/config.h"
#include "identity/desk.h"
#include "loop/loop.h"
#include "loop/task.h"
#include "observe/line_sink.h"
#include "server/clerks.h"
#include "server/own_addresses.h"
#include "server/sockets.h"
#include "server/tls_files.h"
#include "server/watch.h"
#include "server/worker_thread.h"
#include "sys/memory.h"

namespace penstock::server {

// What the command line said, and goes on saying at each reload.
struct Invocation {
  std::string config_file;         // read again at SIGHUP; empty: there is none
  std::optional<Endpoint> listen;  // instead of the configured listeners
  std::optional<Endpoint> admin;   // instead of the configured one
  bool no_admin = false;
};

class Server final : public admin::Controls {
 public:
  Server(const config::Snapshot& config, Invocation invocation);
  ~Server() override;

  // Opens everything and serves until it has been told to end. The exit status; an error has been
  // said on stderr.
  int run();

 private:
  bool draining() const override { return draining_; }
  loop::Task<admin::Snapshot> snapshot() override;

  bool open();
  void announce() const;
  loop::RootTask obey_signals();
  loop::RootTask drain();
  void reload();
  void open_dial_clock();
  bool look_at_interfaces();
  loop::RootTask follow_addresses();
  void adopt(const session::SituationPtr& situation);
  bool can_follow(const config::Config& next) const;
  config::Snapshot as_invoked(const config::Snapshot& config) const;
  session::SituationPtr situation_for(config::Snapshot config) const;
  bool open_tls(const config::Config& config);
  uint64_t memory_limit(const config::Config& config) const;
  admission::Room room(const config::Config& config) const;
  std::string room_text() const;
  admission::DoorLimits door_limits(const config::Config& config) const;
  int close();

  loop::Loop loop_;
  const Invocation invocation_;
  config::Snapshot config_;
  const Instant began_ = Clock::now();
  sys::Fd signals_;
  loop::Source signal_source_;
  uint64_t descriptors_ = 0;
  uint64_t worker_count_ = 1;
  std::optional<sys::MemoryGroup> memory_group_;
  std::unique_ptr<observe::LineSink> log_;
  OpenSockets sockets_;
  const TlsKept tls_kept_;
  TlsFiles tls_;  // of the configuration in force
  OwnAddresses own_addresses_;
  std::unique_ptr<admission::Door> door_;
  admission::Quotas quotas_;
  identity::Desk desk_;
  Clerks clerks_{desk_};
  admission::Ports ports_;
  admission::Routes routes_;
  std::optional<bpf::DialClock> dial_clock_;  // before the workers, which ask it
  WorkerThreads workers_;
  std::unique_ptr<Watch> watch_;
  std::unique_ptr<admin::AdminServer> admin_;
  loop::TaskSet tasks_;
  bool draining_ = false;
  uint64_t reloads_done_ = 0;
  uint64_t reloads_refused_ = 0;
};

}  // namespace penstock::server
