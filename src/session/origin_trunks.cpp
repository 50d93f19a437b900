#include "session/origin_trunks.h"

#include <algorithm>
#include <utility>

#include "session/hear.h"
#include "session/worker.h"

namespace penstock::session {

using loop::Task;

namespace {

h2::Limits limits_of(const Worker& worker) {
  const auto& limits = worker.situation()->config->limits;
  return {.head = {limits.head_bytes, limits.head_fields}};
}

bool leads_to(std::span<const policy::Route> routes, const Endpoint& endpoint) {
  return std::ranges::any_of(
      routes, [&endpoint](const policy::Route& route) { return route.endpoint() == endpoint; });
}

// The first by a judged route that has a place.
OriginTrunk* with_place(OriginGroup& group, std::span<const policy::Route> routes) {
  OriginTrunk* found = nullptr;
  group.trunks.for_each([&](OriginTrunk& trunk) {
    if (!found && trunk.has_place() && leads_to(routes, trunk.peer())) found = &trunk;
  });
  return found;
}

// Those of which nobody knows how many requests they take.
size_t count_new(OriginGroup& group) {
  size_t count = 0;
  group.trunks.for_each([&count](const OriginTrunk& trunk) { count += trunk.is_new() ? 1 : 0; });
  return count;
}

// Whoever waits for a place is counted.
class Queued {
 public:
  explicit Queued(OriginGroup& group) : group_(group) { ++group_.waiting; }
  Queued(const Queued&) = delete;
  Queued& operator=(const Queued&) = delete;
  ~Queued() { --group_.waiting; }

 private:
  OriginGroup& group_;
};

}  // namespace

OriginTrunk::OriginTrunk(Worker& worker, dial::Reached reached, OriginGroupPtr group,
                         admission::Seat seat)
    : worker_(worker),
      group_(std::move(group)),
      seat_(std::move(seat)),
      reached_(std::move(reached)),
      work_(worker.loop()),
      session_(limits_of(worker)),
      frames_(reached_.stream, session_, worker.relay()),
      alone_since_(worker.loop().now()) {
  const auto& dial = worker.situation()->config->dial;
  reached_.stream.guard(dial.keepalive, dial.unacknowledged);
  // TLS may have read ahead of what was asked of it.
  reached_.stream.source().suppose(loop::kReadable | loop::kWritable);
  if (group_) {
    group_->trunks.push_back(*this);
    ++group_->count;
  }
  worker_.metrics().origin_http2_connections.add();
  worker_.metrics().origin_http2_open.add();
  wake();
}

OriginTrunk::~OriginTrunk() {
  lose_streams(Code::kResponseIncomplete);
  worker_.metrics().origin_http2_open.subtract();
  if (!group_) return;
  unlink();
  --group_->count;
  group_->changed.notify_all();
}

bool OriginTrunk::has_place() const {
  return !retired_ && !session_.going() && session_.open() + reserved_ < session_.width();
}

void OriginTrunk::retire() {
  retired_ = true;
  wake();
}

void OriginTrunk::enter(OriginStream& stream) {
  streams_.push_back(stream);
  ++count_;
  ++reserved_;
}

void OriginTrunk::note_asked() {
  --reserved_;
  worker_.metrics().origin_http2_streams.add();
}

void OriginTrunk::leave(OriginStream& stream, bool asked) {
  stream.unlink();
  if (!asked) --reserved_;
  alone_since_ = worker_.loop().now();
  --count_;
  wake();
}

void OriginTrunk::lose_streams(Code why) {
  while (!streams_.empty()) {
    streams_.front().lose_trunk(why);
    --count_;
  }
}

void OriginTrunk::tell_group() {
  if (!group_) return;
  if (session_.is_known()) group_->width = std::max<size_t>(session_.width(), 1);
  if (has_place() || session_.going()) group_->changed.notify_all();
}

bool OriginTrunk::is_done() const {
  if (session_.failure() || (session_.over() && frames_.all_said())) return true;
  if (count_ > 0) return false;
  return !group_ || retired_ || session_.going() ||
         worker_.loop().now() >= alone_since_ + OriginTrunks::kAge;
}

Task<> OriginTrunk::carry() {
  loop::Loop& loop = worker_.loop();
  loop::Timer timer(loop);
  std::optional<int> ended;
  do {
    loop::Wait wait(loop);
    if (frames_.take_more()) {
      wait.soon();
    } else {
      timer.arm(count_ > 0 ? kNever : alone_since_ + OriginTrunks::kAge);
      wait.on(reached_.stream.source(), frames_.interest()).on(work_, loop::kReadable).until(timer);
    }
    co_await wait;
    work_.clear(loop::kReadable);
    ended = frames_.hear(loop.now());
    if (!ended) ended = frames_.say();
    tell_group();
  } while (!ended && !is_done());
  const bool broken = session_.failure().has_value();
  lose_streams(broken ? Code::kOriginHttp2 : Code::kResponseIncomplete);
  if (ended) co_return;
  session_.go_away();
  frames_.say();  // as much as it takes at once
  reached_.let_go(loop.now());
}

OriginGroup* OriginTrunks::find(const http::Authority& target, const Trust& trust) {
  OriginGroup* found = nullptr;
  groups_.for_each([&](OriginGroup& group) {
    if (group.trust == trust && group.target == target) found = &group;
  });
  return found;
}

OriginGroupPtr OriginTrunks::group(const http::Authority& target, const Trust& trust) {
  if (OriginGroup* const known = find(target, trust)) return known->shared_from_this();
  auto made = std::make_shared<OriginGroup>(worker_.loop(), target, trust);
  groups_.push_back(*made);
  return made;
}

OriginTrunks::StreamPtr OriginTrunks::take(const http::Authority& target,
                                           std::span<const policy::Route> routes,
                                           const Trust& trust) {
  OriginGroup* const known = find(target, trust);
  OriginTrunk* const trunk = known ? with_place(*known, routes) : nullptr;
  return trunk ? std::make_unique<OriginStream>(*trunk) : nullptr;
}

Task<Result<OriginTrunks::Found>> OriginTrunks::seek(const http::Authority& target,
                                                     std::span<const policy::Route> routes,
                                                     const Trust& trust, Instant deadline) {
  const OriginGroupPtr whom = group(target, trust);
  const uint64_t failures = whom->failures;
  loop::Timer timer(worker_.loop());
  timer.arm(deadline);
  for (;;) {
    if (OriginTrunk* const trunk = with_place(*whom, routes)) {
      co_return Found{std::make_unique<OriginStream>(*trunk), nullptr};
    }
    if (whom->failures != failures) break;
    const bool full = whom->count + whom->coming >= kMaxEach;
    // Those that wait fit into those that come.
    const size_t come = whom->coming + count_new(*whom);
    const bool enough = come > 0 && whom->waiting < come * whom->width;
    if (!full && !enough) break;
    if (timer.expired()) {
      if (full) co_return fail(Code::kNoStream);
      break;
    }
    const Queued queued(*whom);
    co_await whom->changed.wait(timer);
  }
  co_return Found{nullptr, std::make_unique<Coming>(whom)};
}

admission::Seat OriginTrunks::seat_for(const OriginGroup& group) {
  size_t all = 0;
  groups_.for_each([&all](const OriginGroup& one) { all += one.count; });
  const bool room = !closed_ && !worker_.door().crowded() && all < kMax && group.count < kMaxEach;
  return room ? worker_.door().take_seat() : admission::Seat();
}

loop::RootTask OriginTrunks::run(std::unique_ptr<OriginTrunk> trunk) {
  co_await trunk->carry();
}

OriginTrunks::StreamPtr OriginTrunks::open(dial::Reached reached, const http::Authority& target,
                                           const Trust& trust, bool shared) {
  OriginGroupPtr whom = shared ? group(target, trust) : nullptr;
  admission::Seat seat = whom ? seat_for(*whom) : admission::Seat();
  // Without one it has the descriptor of its request's seat, and goes with that.
  if (!seat) whom = nullptr;
  auto trunk =
      std::make_unique<OriginTrunk>(worker_, std::move(reached), std::move(whom), std::move(seat));
  auto stream = std::make_unique<OriginStream>(*trunk);
  tasks_.start(run(std::move(trunk)));
  return stream;
}

void OriginTrunks::keep(dial::Reached reached, const http::Authority& target, const Trust& trust) {
  OriginGroupPtr whom = group(target, trust);
  admission::Seat seat = seat_for(*whom);
  if (!seat) return reached.let_go(worker_.loop().now());
  tasks_.start(run(std::make_unique<OriginTrunk>(worker_, std::move(reached), std::move(whom),
                                                 std::move(seat))));
}

void OriginTrunks::drop_all() {
  groups_.for_each([](OriginGroup& group) {
    group.trunks.for_each([](OriginTrunk& trunk) { trunk.retire(); });
  });
}

void OriginTrunks::close() {
  closed_ = true;
  drop_all();
}

void OriginTrunks::yield() {
  if (groups_.empty() || !worker_.door().crowded()) return;
  groups_.for_each([](OriginGroup& group) {
    group.trunks.for_each([](OriginTrunk& trunk) {
      if (trunk.is_idle()) trunk.retire();
    });
  });
}

}  // namespace penstock::session
