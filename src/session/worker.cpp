#include "session/worker.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "session/connection.h"
#include "session/entrance.h"
#include "session/ledger.h"
#include "session/trunk.h"
#include "sys/process.h"
#include "sys/socket.h"

namespace penstock::session {
namespace {

// Origins that one round asks the kernel to look after: 5 ms of system calls. The others' turn
// comes with the next round.
constexpr int kGuardedAtOnce = 2000;

std::string hex(uint32_t number) {
  char digits[8];
  return {digits, std::to_chars(digits, digits + sizeof(digits), number, 16).ptr};
}

}  // namespace

Worker::Worker(loop::Loop& loop, Parts parts)
    : loop_(loop),
      number_(parts.number),
      epoch_(parts.epoch),
      pseudonym_("penstock-" + hex(parts.epoch)),
      door_(parts.door),
      quotas_(parts.quotas),
      desk_(parts.desk),
      ports_(parts.ports),
      routes_(parts.routes),
      log_(std::move(parts.log)),
      situation_(std::move(parts.situation)),
      resolver_(loop, situation_->config->dns, situation_->config->dial.family),
      sources_(situation_->config->dial.source_addresses),
      spares_(loop, means(), *door_, *situation_->config),
      origins_(loop, *door_),
      relay_(parts.pipes_max),
      dial_clock_(parts.dial_clock),
      icap_lines_(*this, parts.workers) {}

Worker::~Worker() {
  end_all(Code::kAborted);
}

void Worker::welcome(sys::Fd fd, const Endpoint& client, admission::Seat seat, uint16_t listener) {
  metrics_->accepted.add();
  if (!seat) metrics_->shed.add();
  yield();
  Arrival arrival{.stream = loop::Stream::accepted(loop_, std::move(fd)),
                  .client = client,
                  .seat = std::move(seat),
                  .number = ++connections_,
                  .listener = listener};
  tasks_.start(serve(*this, arrival));
}

void Worker::welcome(std::unique_ptr<Http2Stream> stream, const Connection& trunk) {
  admission::Seat seat = door_->take_seat();
  if (!seat) metrics_->shed.add();
  yield();
  Arrival arrival{.stream = loop::Stream(loop_, std::move(stream)),
                  .client = trunk.story.client,
                  .seat = std::move(seat),
                  .number = ++connections_,
                  .listener = trunk.listener_place,
                  .entrance = &http2(),
                  .inside = trunk.inside};
  if (trunk.secured) arrival.secured = std::make_unique<tls::Peer>(*trunk.secured);
  if (trunk.story.announced) {
    arrival.announced = std::make_unique<Announced>(*trunk.story.announced);
  }
  tasks_.start(serve(*this, arrival));
}

void Worker::enter(Trunk& trunk) {
  trunks_.push_back(trunk);
}

void Worker::go_on(Arrival arrival) {
  arrival.number = ++connections_;
  tasks_.start(serve(*this, arrival));
}

void Worker::drain() {
  draining_ = true;
  spares_.close();
  origins_.close();
  icap_lines_.drop_all();
  origin_trunks_.close();
  idle_clients_.drop_all();
  trunks_.for_each([](Trunk& trunk) { trunk.wake(); });
}

void Worker::yield() {
  spares_.yield();
  origins_.yield();
  icap_lines_.yield();
  origin_trunks_.yield();
  idle_clients_.yield();
}

void Worker::adopt(SituationPtr situation) {
  situation_ = std::move(situation);
  const config::Config& config = *situation_->config;
  resolver_.reconfigure(config.dns, config.dial.family);
  sources_ = dial::SourcePool(config.dial.source_addresses);
  spares_.adopt(config);
  origins_.drop_all();
  icap_lines_.drop_all();
  origin_trunks_.drop_all();
  if (config.policy_reload == config::PolicyReload::kKeep) return;
  live_.for_each([&](Connection& connection) {
    // What is still being set up is judged anew when it is done.
    const bool forwards = connection.forward && connection.forward->under_way;
    if (!connection.story.established && !forwards) return;
    if (!connection.adopt(situation_)) connection.end(Code::kPolicyChanged);
  });
}

void Worker::end_all(Code why) {
  while (!live_.empty()) live_.front().end(why);
}

void Worker::BytesCarried::add(const Story& story) {
  up_copied += story.up.copied;
  up_spliced += story.up.spliced;
  down_copied += story.down.copied;
  down_spliced += story.down.spliced;
}

void Worker::publish(const BytesCarried& bytes) {
  metrics_->bytes_up_copied.set(bytes.up_copied);
  metrics_->bytes_up_spliced.set(bytes.up_spliced);
  metrics_->bytes_down_copied.set(bytes.down_copied);
  metrics_->bytes_down_spliced.set(bytes.down_spliced);
}

Sample Worker::sample() {
  const Instant now = loop_.read_clock();
  metrics_->set_ups.advance(now);
  metrics_->tunnels.advance(now);
  return {.at = now,
          .set_ups = metrics_->set_ups.census(),
          .tunnels = metrics_->tunnels.census(),
          .busy_ns = loop_.usage().busy_ns.load(std::memory_order_relaxed),
          .cpu = sys::thread_cpu_time(),
          .bytes = metrics_->bytes_up_copied.value() + metrics_->bytes_up_spliced.value() +
                   metrics_->bytes_down_copied.value() + metrics_->bytes_down_spliced.value()};
}

std::vector<Connection*> Worker::idle_for(Duration silence, size_t most) {
  std::vector<Connection*> out;
  const Instant until = loop_.now() - silence;
  live_.for_each([&](Connection& connection) {
    if (connection.story.established && connection.story.silent_since() <= until) {
      out.push_back(&connection);
    }
  });
  const auto longest_first = [](const Connection* one, const Connection* other) {
    return one->story.silent_since() < other->story.silent_since();
  };
  const auto end = out.begin() + static_cast<ptrdiff_t>(std::min(most, out.size()));
  std::partial_sort(out.begin(), end, out.end(), longest_first);
  out.erase(end, out.end());
  return out;
}

std::vector<Instant> Worker::longest_silences(Duration silence, size_t most) {
  std::vector<Instant> out;
  for (const Connection* connection : idle_for(silence, most)) {
    out.push_back(connection->story.silent_since());
  }
  return out;
}

void Worker::close_idle(Duration silence, size_t most) {
  if (most > 0) tasks_.start(end_idle(silence, most));
}

// A letter is opened between what epoll reported and those who were woken by it. A timer's task
// goes on behind them: a tunnel that has just received a byte is no longer idle by then.
loop::RootTask Worker::end_idle(Duration silence, size_t most) {
  co_await loop::SleepUntil(loop_, loop_.now());
  for (Connection* connection : idle_for(silence, most)) connection->end(Code::kClosedIdle);
}

void Worker::refresh_metrics() {
  BytesCarried bytes = settled_bytes_;
  live_.for_each([&](Connection& connection) { bytes.add(connection.story); });
  publish(bytes);
  metrics_->set_ups.advance(loop_.now());
  metrics_->tunnels.advance(loop_.now());
  const dns::ResolverCounts dns = resolver_.counts();
  metrics_->dns_lookups.set(dns.lookups);
  metrics_->dns_hits.set(dns.hits);
  metrics_->dns_coalesced.set(dns.coalesced);
  metrics_->dns_stale.set(dns.stale);
  metrics_->dns_failures.set(dns.failures);
  metrics_->dns_entries.set(dns.entries);
  metrics_->dns_in_flight.set(dns.in_flight);
  const dial::Spares::Counts& spares = spares_.counts();
  metrics_->spares_ready.set(spares.ready);
  metrics_->spares_used.set(spares.used);
  metrics_->spares_expired.set(spares.expired);
  metrics_->spares_closed.set(spares.closed);
  metrics_->spares_failed.set(spares.failed);
  metrics_->icap_idle.set(icap_lines_.idle());
  metrics_->origins_idle.set(origins_.size());
  metrics_->origins_reused.set(origins_.reused());
  metrics_->clients_idle.set(idle_clients_.size());
  metrics_->pipes_in_use.set(relay_.pipes().in_use());
  metrics_->pipes_idle.set(relay_.pipes().idle());
}

void Worker::tend_tunnels() {
  yield();
  const Instant before = std::exchange(tended_, loop_.now());
  const Duration interval = situation_->config->log.progress;
  // How often a tunnel's age holds the interval says whether a line has come due since, and needs
  // no memory of its own.
  const auto due = [&](Instant began) {
    return interval > Duration::zero() &&
           (tended_ - began) / interval > (std::max(before, began) - began) / interval;
  };
  int guarded = 0;
  BytesCarried bytes = settled_bytes_;
  live_.for_each([&](Connection& connection) {
    bytes.add(connection.story);
    if (!connection.story.established) return;
    if (connection.quota_share.exhausted(tended_)) return connection.end(Code::kBytesExhausted);
    const auto& dial = connection.config().dial;
    if (guarded < kGuardedAtOnce && connection.origin.guard(dial.keepalive, dial.unacknowledged)) {
      ++guarded;
    }
    if (due(connection.story.accepted)) log_progress(connection);
  });
  publish(bytes);
}

void Worker::enter(Connection& connection) {
  live_.push_back(connection);
  ++live_count_;
  if (!connection.seated()) ++unseated_;
}

void Worker::leave(Connection& connection) {
  settled_bytes_.add(connection.story);
  connection.unlink();
  --live_count_;
  if (!connection.seated()) --unseated_;
}

Connection::Connection(Worker& owner, loop::RootTask::promise_type& root, Arrival& arrival)
    : worker(owner),
      secured(std::move(arrival.secured)),
      entrance(arrival.entrance),
      situation(owner.situation()),
      client(std::move(arrival.stream)),
      early(std::move(arrival.early)),
      inside(std::move(arrival.inside)),
      listener_place(arrival.listener),
      challenges(arrival.challenges),
      root_(root),
      seat_(std::move(arrival.seat)) {
  story.number = arrival.number;
  story.client = arrival.client;
  story.announced = std::move(arrival.announced);
  story.accepted = owner.loop().read_clock();
  worker.enter(*this);
}

Connection::~Connection() {
  settle(*this);
  worker.leave(*this);
  hand_on();
}

// What may serve another request after this one. It has been settled.
void Connection::hand_on() {
  if (forward && forward->origin_persists) {
    worker.origins().keep(story.target, {std::move(port), std::move(origin), story.route},
                          trust_of(*this));
  }
  if (client_persists && !worker.draining()) {
    worker.idle_clients().keep({.stream = std::move(client),
                                .client = story.client,
                                .seat = std::move(seat_),
                                .listener = listener_place,
                                .entrance = inside ? inside->entrance : entrance,
                                .early = std::move(early),
                                .secured = std::move(secured),
                                .announced = std::move(story.announced),
                                .inside = std::move(inside),
                                .challenges = challenges});
  }
}

void Connection::end(Code why) {
  if (!story.error) story.error = Error{why};  // a refusal that was being told stands
  client.reset_on_close();
  origin.reset_on_close();
  client_persists = false;
  if (forward) forward->origin_persists = false;
  root_.end();
}

namespace {

bool is_read_by(const policy::RuleFacts* rule, const http::Authority& target) {
  return rule && rule->inspect && rule->inspect->reads(target);
}

}  // namespace

bool Connection::adopt(const SituationPtr& now) {
  const policy::Decision decision = judge(*now);
  if (!decision.allowed) return false;
  // An origin that was told nothing of its client would take the client's bytes for the header that
  // the new rule promises it.
  const auto announces = decision.rule ? decision.rule->announce : policy::Announce::kNothing;
  const bool told = story.established || (forward && (forward->reused || forward->under_way));
  if (told && announces != story.announces()) return false;
  // What has been read so far and what has not stay as they are; under the other rule they end.
  if (told && is_read_by(story.rule, story.target) != is_read_by(decision.rule, story.target)) {
    return false;
  }
  situation = now;
  story.rule = decision.rule;
  story.would_deny |= decision.would_deny;
  return true;
}

// Whether the way that it took is one that `decision` still has: straight to an address that may be
// dialled, or through one of the parents. Where a parent went is known only of an address.
bool Connection::way_is_open(policy::Decision& decision, const Situation& now) const {
  static const std::vector<http::ProxyUrl> kStraight;
  const auto& via = decision.rule ? decision.rule->via : kStraight;
  if (via.empty() != !story.parent) return false;
  const auto same = [this](const http::ProxyUrl& parent) {
    return parent.authority.text() == story.parent->authority;
  };
  if (story.parent && std::ranges::none_of(via, same)) return false;
  if (story.parent && !story.target.literal) return true;
  const IpAddress& address = story.parent ? *story.target.literal : story.route.address;
  Code why;
  const auto routes = now.config->rules->judge_addresses(
      decision, asker(), story.target, {&address, 1}, now.surroundings, &why, &decision.would_deny);
  return !routes.empty();
}

policy::Decision Connection::judge(const Situation& now) const {
  const policy::Rules& rules = *now.config->rules;
  policy::Decision decision = rules.judge_name(asker(), story.target);
  if (!decision.allowed) return decision;
  decision.allowed = way_is_open(decision, now);
  if (!decision.allowed || story.step != Step::kCarry || inside) return decision;
  policy::Hello hello;
  // What was not read cannot be held against the new rule's check, and so does not pass it.
  hello.malformed = story.unread_hello;
  if (story.hello) hello = {true, false, story.hello->sni, story.hello->ech};
  if (!policy::Rules::judge_hello(decision.rule, story.target, hello)) return decision;
  decision.allowed = rules.mode() == policy::Mode::kReport;
  decision.would_deny = true;
  return decision;
}

}  // namespace penstock::session
