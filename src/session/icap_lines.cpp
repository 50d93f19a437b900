#include "session/icap_lines.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/bytes.h"
#include "http/body.h"
#include "icap/answer.h"
#include "icap/request.h"
#include "session/worker.h"

namespace penstock::session {

using loop::Task;

namespace {

// Of what a service may say in the body of its options; nobody reads it.
constexpr size_t kOptionsBodyMax = size_t{16} * 1024;
// Few messages may be under way, each of which costs its timeout where a service is dead.
constexpr uint64_t kBreakerMinimum = 3;
constexpr Duration kBreakerWindow = std::chrono::minutes(1);

Code failure_of(Code dialling) {
  switch (dialling) {
    case Code::kDialTimeout:
    case Code::kDnsTimeout: return Code::kIcapTimeout;
    default: return Code::kIcapFailed;
  }
}

// One that says in each answer that it has changed is not asked more often than that.
constexpr Duration kOptionsRest = std::chrono::seconds(10);

bool fresh_enough(const std::optional<icap::Options>& options, Instant until, Instant now) {
  return options && now < until;
}

}  // namespace

IcapLines::Turn::Turn(std::shared_ptr<Desk> desk, admission::Breaker::Pass pass)
    : desk_(std::move(desk)), pass_(pass) {
  ++desk_->busy;
}

IcapLines::Turn::~Turn() {
  if (!desk_) return;
  if (!told_) desk_->breaker.abandoned(pass_);
  --desk_->busy;
  desk_->freed.notify_all();
}

void IcapLines::Turn::succeeded(Instant now) {
  if (!std::exchange(told_, true)) desk_->breaker.succeeded(desk_->breaker_settings, pass_, now);
}

void IcapLines::Turn::failed(Code why, Instant now) {
  if (!std::exchange(told_, true)) desk_->breaker.failed(desk_->breaker_settings, pass_, why, now);
}

std::shared_ptr<IcapLines::Desk> IcapLines::desk_of(const icap::ServicePtr& service) {
  const auto found = std::ranges::find_if(
      desks_, [&service](const auto& desk) { return desk->service == service; });
  if (found != desks_.end()) return *found;
  admission::BreakerSettings settings = worker_.situation()->config->breaker;
  settings.minimum = std::min(settings.minimum, kBreakerMinimum);
  settings.window = std::max(settings.window, kBreakerWindow);
  const uint64_t seed = uint64_t{worker_.epoch()} + static_cast<uint64_t>(worker_.number());
  desks_.push_back(std::make_shared<Desk>(worker_.loop(), service, settings, seed));
  return desks_.back();
}

const icap::Options* IcapLines::options(const icap::ServicePtr& service) {
  const auto desk = desk_of(service);
  const bool fresh = fresh_enough(desk->options, desk->options_until, worker_.loop().now());
  return fresh ? &*desk->options : nullptr;
}

void IcapLines::forget_options(const icap::ServicePtr& service) {
  Desk& desk = *desk_of(service);
  desk.options_until = std::min(desk.options_until, desk.options_at + kOptionsRest);
}

// What a service bounds is the sum of all workers.
uint64_t IcapLines::lines_max(const Desk& desk) const {
  uint64_t most = desk.service->connections;
  if (desk.options && desk.options->connections) {
    const uint64_t share = *desk.options->connections / static_cast<uint64_t>(workers_);
    most = std::min(most, std::max<uint64_t>(share, 1));
  }
  return most;
}

Task<Result<IcapLines::Line>> IcapLines::open(icap::ServicePtr service,
                                              std::shared_ptr<const Situation> situation,
                                              bool fresh) {
  const auto desk = desk_of(service);
  loop::Loop& loop = worker_.loop();
  const Instant deadline = deadline_after(loop.now(), service->timeout);
  loop::Timer timer(loop);
  timer.arm(deadline);
  while (desk->busy >= lines_max(*desk)) {
    if (timer.expired()) co_return fail(Code::kIcapBusy);
    co_await desk->freed.wait(timer);
  }
  const auto pass = desk->breaker.ask(desk->breaker_settings, loop.now());
  if (pass == admission::Breaker::Pass::kRefused) co_return fail(Code::kIcapFailed);
  Turn turn(desk, pass);
  bool asks = !fresh_enough(desk->options, desk->options_until, loop.now());
  if (!fresh && !asks) {
    if (auto line = take_idle(*desk)) {
      line->turn = std::move(turn);
      co_return std::move(*line);
    }
  }
  Line line{.turn = std::move(turn), .seat = worker_.door().take_seat(), .reached = {}};
  if (!line.seat) co_return fail(Code::kIcapBusy);
  for (;;) {
    auto reached = co_await dial(*service, *situation, deadline);
    if (!reached) {
      line.turn.failed(reached.error().code, loop.now());
      co_return std::unexpected(reached.error());
    }
    line.reached = std::move(*reached);
    if (!asks) break;
    const auto goes_on = co_await ask_options(*desk, line.stream(), deadline);
    if (!goes_on) {
      line.turn.failed(goes_on.error().code, loop.now());
      co_return std::unexpected(goes_on.error());
    }
    if (*goes_on) break;
    asks = false;  // it has answered, and closes
    line.reached.let_go(loop.now());
  }
  co_return line;
}

Task<Result<dial::Reached>> IcapLines::dial(const icap::Service& service,
                                            const Situation& situation, Instant deadline) {
  const http::Authority& where = service.authority;
  std::vector<IpAddress> addresses;
  if (where.literal) {
    addresses.push_back(*where.literal);
  } else {
    const auto& timeouts = situation.config->timeouts;
    const Instant until =
        std::min(deadline, deadline_after(worker_.loop().now(), timeouts.resolve));
    const auto answer =
        co_await worker_.resolver().resolve(where.host, dns::Wanted::kComplete, until);
    if (!answer) {
      complain(service, answer.error().facts().word);
      co_return fail(failure_of(answer.error().code));
    }
    addresses = answer->addresses;
  }
  const auto routes =
      policy::Rules::routes_to_service(where.port, addresses, situation.surroundings);
  if (routes.empty()) {
    complain(service, "its address is this proxy's own");
    co_return fail(Code::kIcapFailed);
  }
  const auto& timeouts = situation.config->timeouts;
  const Instant until = std::min(deadline, deadline_after(worker_.loop().now(), timeouts.dial));
  auto reached =
      co_await dial::reach(worker_.loop(), routes, worker_.means(), timeouts.attempt, until);
  if (!reached) {
    complain(service, reached.error().facts().word);
    co_return std::unexpected(Error{failure_of(reached.error().code), reached.error().sys_errno});
  }
  co_return reached;
}

// True: the line goes on behind the answer.
Task<Result<bool>> IcapLines::ask_options(Desk& desk, loop::Stream& stream, Instant deadline) {
  loop::Loop& loop = worker_.loop();
  loop::Timer timer(loop);
  timer.arm(deadline);
  const icap::ServicePtr service = desk.service;
  const std::string asking = icap::head_of(*service, {.method = icap::Method::kOptions});
  if (const int error = co_await loop::write_all(loop, stream, asking, timer)) {
    complain(*service, "it takes no OPTIONS");
    co_return std::unexpected(
        Error{error == ETIMEDOUT ? Code::kIcapTimeout : Code::kIcapFailed, error});
  }
  icap::AnswerReader reader(icap::Method::kOptions, 0);
  std::string received;
  std::optional<icap::Answer> answer;
  http::BodyReader body = http::BodyReader::none();
  for (;;) {
    const auto buffer = worker_.relay().buffer();
    const loop::Moved moved = stream.read(buffer);
    if (moved.would_block()) {
      if (timer.expired()) {
        complain(*service, "it does not answer OPTIONS");
        co_return fail(Code::kIcapTimeout);
      }
      co_await loop::Wait(loop).on(stream.source(), loop::kReadable).until(timer);
      continue;
    }
    if (!moved.bytes()) {
      complain(*service, "it broke off when it was asked for OPTIONS");
      co_return std::unexpected(Error{Code::kIcapFailed, moved.error()});
    }
    received.append(text_of(buffer.first(static_cast<size_t>(moved.count))));
    if (!answer) {
      const auto complete = reader.advance(received);
      if (!complete) {
        complain(*service, icap::sentence(complete.error()));
        co_return fail(Code::kIcapAnswer);
      }
      if (!*complete) continue;
      const auto read = reader.answer(received);
      if (!read || read->status != 200) {
        complain(*service, read ? "it answers OPTIONS with " + std::to_string(read->status)
                                : std::string(icap::sentence(read.error())));
        co_return fail(Code::kIcapAnswer);
      }
      answer = *read;
      desk.options = icap::read_options(std::string_view(received).substr(0, answer->length));
      desk.options_at = loop.now();
      desk.options_until = desk.options_at + desk.options->ttl;
      received.erase(0, answer->length);
      if (answer->inside.body) body = http::BodyReader::chunked();
    }
    if (received.size() > kOptionsBodyMax) co_return false;
    http::BodyReader so_far = body;
    const auto taken = so_far.take(received);
    if (!taken) co_return false;
    if (so_far.done()) co_return !answer->close && *taken == received.size();
  }
}

void IcapLines::complain(const icap::Service& service, std::string_view what) {
  worker_.trouble().say(observe::Level::kWarning,
                        "icap service " + service.name + ": " + std::string(what));
}

void IcapLines::keep(Line line) {
  const Desk& desk = line.turn.desk();
  const auto known =
      std::ranges::find_if(desks_, [&desk](const auto& one) { return one.get() == &desk; });
  const bool room = known != desks_.end() && desk.idle.size() < kIdleMax &&
                    !worker_.door().crowded() && !worker_.draining();
  const std::shared_ptr<Desk> owner = room ? *known : nullptr;
  line.turn = Turn();
  if (!owner) return line.reached.let_go(worker_.loop().now());
  line.reused = true;
  owner->idle.push_front({std::move(line)});
  keepers_.start(watch(owner, owner->idle.begin()));
}

std::optional<IcapLines::Line> IcapLines::take_idle(Desk& desk) {
  while (!desk.idle.empty()) {
    Line line = take_from_keeper(desk, desk.idle.begin());
    if (line.stream().silent()) return line;
  }
  return std::nullopt;
}

loop::RootTask IcapLines::watch(std::shared_ptr<Desk> desk, Position idle) {
  idle->keeper = &co_await loop::ThisTask{};
  loop::Timer timer(worker_.loop());
  timer.arm(worker_.loop().now() + kAge);
  co_await loop::Wait(worker_.loop())
      .on(idle->line.stream().source(), loop::kReadable)
      .until(timer);
  Line line = std::move(idle->line);
  desk->idle.erase(idle);
  if (timer.expired()) line.reached.let_go(worker_.loop().now());
}

IcapLines::Line IcapLines::take_from_keeper(Desk& desk, Position idle) {
  idle->keeper->end();  // waits on the stream, which moves only when nobody does
  Line line = std::move(idle->line);
  desk.idle.erase(idle);
  return line;
}

void IcapLines::close_idle(Desk& desk) {
  while (!desk.idle.empty()) {
    take_from_keeper(desk, desk.idle.begin()).reached.let_go(worker_.loop().now());
  }
}

void IcapLines::drop_all() {
  for (const auto& desk : desks_) close_idle(*desk);
  desks_.clear();
}

void IcapLines::yield() {
  if (!worker_.door().crowded()) return;
  for (const auto& desk : desks_) close_idle(*desk);
}

size_t IcapLines::idle() const {
  size_t out = 0;
  for (const auto& desk : desks_) out += desk->idle.size();
  return out;
}

}  // namespace penstock::session
