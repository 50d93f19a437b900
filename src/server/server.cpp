#include "server/server.h"

#include <dirent.h>
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "base/counted.h"
#include "config/scalars.h"
#include "loop/frame.h"
#include "observe/program_log.h"
#include "server/report.h"
#include "server/survey.h"
#include "sys/port_room.h"
#include "sys/process.h"

namespace penstock::server {

using observe::Level;
using observe::say;

namespace {

// How often drain looks whether the last tunnel has ended.
constexpr Duration kDrainCheck = std::chrono::milliseconds(20);
// How often the addresses of this machine's interfaces are looked at.
constexpr Duration kAddressCheck = std::chrono::seconds(10);
// Destinations on the capacity page.
constexpr size_t kDestinationsShown = 50;
// What a worker has to answer a question of the admin page.
constexpr Duration kAnswerTime = std::chrono::seconds(1);

uint64_t open_descriptors() {
  DIR* directory = opendir("/proc/self/fd");
  if (!directory) return 0;
  uint64_t count = 0;
  while (const dirent* entry = readdir(directory)) count += entry->d_name[0] != '.' ? 1 : 0;
  closedir(directory);
  return count - 1;  // the one that was counting
}

}  // namespace

Server::Server(const config::Snapshot& config, Invocation invocation)
    : invocation_(std::move(invocation)),
      config_(as_invoked(config)),
      signals_(sys::signal_descriptor({SIGTERM, SIGINT, SIGHUP, SIGUSR1})),
      signal_source_(loop_, signals_.get(), loop::Source::Trigger::kEdge, loop::kReadable),
      ports_(sys::port_room()),
      routes_(config_->breaker, static_cast<uint64_t>(began_.time_since_epoch().count())) {}

Server::~Server() = default;

int Server::run() {
  observe::set_log_level(level_of(config_->log.level));
  if (!open()) return 1;
  announce();
  tasks_.start(obey_signals());
  tasks_.start(follow_addresses());
  tasks_.start(clerks_.follow_files(loop_, config_));
  tasks_.start(watch_->keep());
  sys::notify_service_manager("READY=1");
  loop_.run();
  return close();
}

bool Server::open() {
  descriptors_ = sys::raise_descriptor_limit();
  worker_count_ = config_->workers != 0 ? config_->workers : sys::usable_cpus();
  memory_group_ = sys::MemoryGroup::find();
  std::string why_not;
  log_ = observe::LineSink::open(config_->log.access, &why_not);
  if (!log_) {
    say(Level::kError, why_not);
    return false;
  }
  if (!open_tls(*config_)) return false;
  auto sockets = open_sockets(*config_, worker_count_, sys::inherited_listeners());
  if (!sockets) {
    say(Level::kError, sockets.error());
    return false;
  }
  sockets_ = std::move(*sockets);
  door_ = std::make_unique<admission::Door>(door_limits(*config_));
  look_at_interfaces();
  clerks_.staff(*config_);
  if (config_->observe.kernel == config::KernelObservation::kAuto) open_dial_clock();
  const auto situation = situation_for(config_);
  for (uint64_t i = 0; i < worker_count_; ++i) {
    session::Worker::Parts parts{.number = static_cast<int>(i),
                                 .workers = static_cast<int>(worker_count_),
                                 .epoch = static_cast<uint32_t>(std::time(nullptr)),
                                 .door = door_.get(),
                                 .quotas = &quotas_,
                                 .desk = &desk_,
                                 .ports = &ports_,
                                 .routes = &routes_,
                                 .log = log_->make_producer(),
                                 .situation = situation,
                                 .pipes_max = room(*config_).pipes_per_worker,
                                 .dial_clock = dial_clock_ ? &*dial_clock_ : nullptr};
    workers_.push_back(
        std::make_unique<WorkerThread>(std::move(parts), std::move(sockets_.per_worker[i])));
  }
  watch_ = std::make_unique<Watch>(loop_, workers_, *door_, config_, memory_group_);
  if (sockets_.admin) {
    admin_ = std::make_unique<admin::AdminServer>(loop_, *this, std::move(sockets_.admin));
  }
  return true;
}

// Without it the proxy is as good, and its log says less.
void Server::open_dial_clock() {
  auto clock = bpf::DialClock::open();
  if (clock) {
    dial_clock_.emplace(std::move(*clock));
    say(Level::kInfo, "the kernel times connects: " + dial_clock_->where());
  } else {
    say(Level::kWarning, "the kernel does not time connects (observe.kernel): " + clock.error());
  }
}

void Server::announce() const {
  for (const Endpoint& at : sockets_.listeners) say(Level::kInfo, "listening on " + at.text());
  if (admin_) say(Level::kInfo, "admin on " + sockets_.admin_address.text());
  say_faults(Level::kWarning, config_->warnings, config_->file);
  say(Level::kInfo,
      fmt::format("penstock {}: {}, {}, {}", PENSTOCK_VERSION, counted(worker_count_, "worker"),
                  counted(config_->rules->size(), "rule"), room_text()));
}

std::string Server::room_text() const {
  std::string out = "room for " + counted(door_->seats(), "connection");
  if (const uint64_t memory = memory_limit(*config_); memory != 0) {
    const bool binds = room(*config_).bounded_by_memory;
    out += fmt::format(", {}memory {}", binds ? "bounded by " : "", config::size_text(memory));
    if (memory != config_->limits.memory) out += " (control group)";
  }
  return out;
}

config::Snapshot Server::as_invoked(const config::Snapshot& config) const {
  auto changed = std::make_shared<config::Config>(*config);
  if (invocation_.listen) {
    changed->listeners.resize(1);  // the options of the first stay
    changed->listeners[0].address = *invocation_.listen;
    changed->listeners[0].place = {};
  }
  if (invocation_.admin) changed->admin = invocation_.admin;
  if (invocation_.no_admin) changed->admin.reset();
  return changed;
}

session::SituationPtr Server::situation_for(config::Snapshot config) const {
  policy::Surroundings surroundings;
  surroundings.listeners = sockets_.listeners;
  if (config->admin) surroundings.listeners.push_back(sockets_.admin_address);
  surroundings.addresses = own_addresses_.last_known();
  return std::make_shared<const session::Situation>(std::move(config), std::move(surroundings),
                                                    tls_.listeners, tls_.parents, tls_.inspector);
}

// All of them, or those in force stay.
bool Server::open_tls(const config::Config& config) {
  Faults warnings;
  auto opened = open_tls_files(config, tls_kept_, &warnings);
  if (!opened) {
    say_faults(Level::kError, opened.error(), config.file);
    return false;
  }
  say_faults(Level::kWarning, warnings, config.file);
  tls_ = std::move(*opened);
  return true;
}

// What the owner allows, or the control group does if that is less. Without either there is none:
// the machine's memory is not ours alone, and what is resident says nothing about the rest of it.
uint64_t Server::memory_limit(const config::Config& config) const {
  if (config.limits.memory == 0) return 0;
  const auto group = memory_group_ ? memory_group_->usage() : std::nullopt;
  const uint64_t allowed = group ? group->limit : UINT64_MAX;
  const uint64_t least = std::min(allowed, config.limits.memory.value_or(UINT64_MAX));
  return least == UINT64_MAX ? 0 : least;
}

admission::Room Server::room(const config::Config& config) const {
  return admission::room_for(
      {.descriptors = descriptors_, .memory = memory_limit(config), .workers = worker_count_});
}

// `auto` in numbers: as many connections as there are descriptors and memory for; of them a quarter
// may be set up at one time, and of those a quarter to one destination; as many may wait as be set
// up.
admission::DoorLimits Server::door_limits(const config::Config& config) const {
  admission::DoorLimits out;
  const uint64_t seats = room(config).seats;
  out.seats = std::min(config.limits.tunnels.value_or(seats), seats);
  if (out.seats == 0) out.seats = seats;
  out.pending = config.limits.pending.value_or(admission::permits_for(out.seats));
  out.destination.adapt = config.limits.adapt;
  out.destination.most =
      config.limits.pending_per_destination.value_or(std::max<uint64_t>(out.pending / 4, 16));
  out.queue = config.limits.queue.value_or(admission::permits_for(out.seats));
  out.waiting.patience = config.timeouts.queue;
  out.breaker = config.breaker;
  return out;
}

loop::RootTask Server::obey_signals() {
  for (;;) {
    const int signal = sys::next_signal(signals_.get());
    switch (signal) {
      case SIGTERM:
      case SIGINT:
        if (draining_) {
          say(Level::kInfo, "told to end again: ending at once");
          loop_.stop();
          co_return;
        }
        tasks_.start(drain());
        break;
      case SIGHUP: reload(); break;
      case SIGUSR1:
        say(Level::kInfo, log_->reopen() ? "access log opened anew"
                                         : "access log kept: it cannot be opened anew");
        break;
      default:
        signal_source_.clear(loop::kReadable);
        co_await loop::Wait(loop_).on(signal_source_, loop::kReadable);
    }
  }
}

// Stops accepting, waits for tunnels to end by themselves, then ends those that have not.
loop::RootTask Server::drain() {
  draining_ = true;
  sys::notify_service_manager("STOPPING=1");
  const Instant until = deadline_after(loop_.now(), config_->timeouts.drain);
  say(Level::kInfo, fmt::format("draining {}; told again, it ends at once",
                                counted(door_->seats_taken(), "connection")));
  for (auto& worker : workers_) worker->stop_accepting();
  while (door_->seats_taken() > 0 && loop_.now() < until) {
    co_await loop::SleepUntil(loop_, loop_.now() + kDrainCheck);
  }
  for (auto& worker : workers_) {
    worker->post([](session::Worker& w) { w.end_all(Code::kDrained); });
  }
  loop_.stop();
}

// Everything that a running process cannot change must be as it was.
bool Server::can_follow(const config::Config& next) const {
  std::string_view fixed;
  const auto addresses = [](const config::Config& config) {
    std::vector<std::pair<Endpoint, config::Transparent>> out;
    out.reserve(config.listeners.size());
    for (const auto& listener : config.listeners) {
      out.emplace_back(listener.address, listener.transparent);
    }
    return out;
  };
  if (addresses(next) != addresses(*config_)) fixed = "listeners";
  if (next.admin != config_->admin) fixed = "admin";
  if (next.workers != config_->workers) fixed = "workers";
  if (next.log.access != config_->log.access) fixed = "log.access";
  if (next.observe.kernel != config_->observe.kernel) fixed = "observe.kernel";
  if (fixed.empty()) return true;
  say(Level::kError, fmt::format("`{}` cannot change while running; restart to change it", fixed));
  return false;
}

void Server::adopt(const session::SituationPtr& situation) {
  for (auto& worker : workers_) {
    worker->post([situation](session::Worker& w) { w.adopt(situation); });
  }
}

// True: this machine has other addresses than before.
bool Server::look_at_interfaces() {
  auto said = sys::interface_addresses();
  if (!said) {
    say(Level::kWarning, fmt::format("cannot read the addresses of this machine: {}; "
                                     "those known before stay closed",
                                     std::strerror(said.error())));
  }
  return own_addresses_.learn(std::move(said));
}

// An address that this machine gets while we run is as much its own as those it had before; and
// whoever is out of ports may widen their range.
loop::RootTask Server::follow_addresses() {
  for (;;) {
    co_await loop::SleepUntil(loop_, loop_.now() + kAddressCheck);
    ports_.set_room(sys::port_room());
    if (!look_at_interfaces()) continue;
    say(Level::kInfo, "the addresses of this machine have changed");
    adopt(situation_for(config_));
  }
}

void Server::reload() {
  if (invocation_.config_file.empty()) {
    say(Level::kWarning, "nothing to reload: started without --config");
    return;
  }
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  sys::notify_service_manager(
      fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1'000'000 + now.tv_nsec / 1000));
  auto next = config::load(invocation_.config_file, config_->identity.get());
  if (!next) say_faults(Level::kError, next.error(), invocation_.config_file);
  if (next) next = as_invoked(*next);
  if (!next || !can_follow(**next) || !open_tls(**next)) {
    ++reloads_refused_;
    say(Level::kError, "reload refused: the configuration in force stays as it was");
  } else {
    config_ = *next;
    observe::set_log_level(level_of(config_->log.level));
    routes_.set(config_->breaker);
    door_->set_limits(door_limits(*config_), loop_.now());
    look_at_interfaces();
    clerks_.staff(*config_);
    adopt(situation_for(config_));
    ++reloads_done_;
    say(Level::kInfo, fmt::format("reloaded {}: {}", invocation_.config_file,
                                  counted(config_->rules->size(), "rule")));
  }
  sys::notify_service_manager("READY=1");
}

loop::Task<admin::Snapshot> Server::snapshot() {
  // For what it brings up to now; the answer says only that it did.
  co_await survey(loop_, workers_, kAnswerTime, [](session::Worker& worker) {
    worker.refresh_metrics();
    return true;
  });
  admin::Snapshot out;
  for (const auto& worker : workers_) {
    const auto& usage = worker->usage();
    out.workers.push_back({worker->metrics(), usage.turns, usage.busy_ns, usage.stalls});
  }
  for (const auto& [source, count] : ports_.counts(loop_.now())) {
    out.ports.push_back(
        {source == IpAddress{} ? "any" : source.text(), count.in_use, count.resting});
  }
  out.ports_refused = ports_.refused();
  out.ports_refused_by_kernel = ports_.refused_by_kernel();
  out.routes_open = routes_.open();
  out.routes_passed_over = routes_.passed_over();
  out.seats_taken = door_->seats_taken();
  out.seats = door_->seats();
  out.door = door_->facts(Clock::now());
  out.destinations = door_->destinations(Clock::now(), kDestinationsShown);
  out.quota_refusals = quotas_.refused();
  out.quota_accounts = quotas_.accounts();
  out.logins_waiting = desk_.waiting();
  out.logins_known = desk_.verified();
  if (config_->identity) out.key_sources = config_->identity->key_facts(Clock::now());
  if (tls_.inspector) out.mint = tls_.inspector->mint->counts();
  for (const auto& service : config_->icap) out.icap_services.push_back(service->name);
  out.memory = watch_->memory();
  out.memory_short = door_->memory_short();
  out.local_ports = ports_.room();
  out.measured = watch_->measured();
  out.descriptors_open = open_descriptors();
  out.descriptors_limit = descriptors_;
  out.rules = config_->rules->size();
  out.reloads_done = reloads_done_;
  out.reloads_refused = reloads_refused_;
  out.log_lines_written = log_->written();
  out.log_lines_dropped = log_->dropped();
  out.uptime_seconds = std::chrono::duration<double>(Clock::now() - began_).count();
  co_return out;
}

int Server::close() {
  admin_.reset();
  clerks_.dismiss();
  WorkerThread::LeftBehind left;
  for (auto& worker : workers_) {
    const auto behind = worker->stop();
    left.connections += behind.connections;
    left.frames += behind.frames;
  }
  tasks_.end_all();
  watch_.reset();
  left.frames += loop::live_frames();
  workers_.clear();
  log_.reset();
  const uint64_t permits = door_->pending() + door_->seats_taken() + quotas_.held();
  say(Level::kInfo, fmt::format("ended; left behind: {} connections, {} permits, {} frames",
                                left.connections, permits, left.frames));
  return left.connections + left.frames + static_cast<int64_t>(permits) == 0 ? 0 : 1;
}

}  // namespace penstock::server
