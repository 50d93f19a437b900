#include "server/watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "observe/program_log.h"
#include "session/story.h"

namespace penstock::server {
namespace {

constexpr Duration kStep = std::chrono::seconds(1);
// What a worker has to answer; then the others are looked at without it.
constexpr Duration kAdviceTime = std::chrono::milliseconds(500);
// Idle tunnels that one worker closes in a second, whatever was asked for: they end in one turn.
constexpr uint64_t kClosedAtOnce = 500;

}  // namespace

Watch::Watch(loop::Loop& loop, const WorkerThreads& workers, admission::Door& door,
             const config::Snapshot& config, std::optional<sys::MemoryGroup> group)
    : loop_(loop), workers_(workers), door_(door), config_(config), group_(std::move(group)) {
  look_at_memory();
}

loop::RootTask Watch::keep() {
  for (Instant next = loop_.now();; next = std::max(next + kStep, loop_.now())) {
    co_await loop::SleepUntil(loop_, next);
    co_await sample();
    look_at_memory();
    co_await make_room();
  }
}

loop::Task<> Watch::sample() {
  const auto take = [](session::Worker& worker) { return worker.sample(); };
  window_.add(co_await survey(loop_, workers_, kAdviceTime, take));
}

void Watch::look_at_memory() {
  memory_ = {.resident = sys::resident_bytes()};
  if (const auto usage = group_ ? group_->usage() : std::nullopt) {
    memory_.group_used = usage->used;
    memory_.group_limit = usage->limit;
  }
  memory_.limit = config_->limits.memory.value_or(memory_.group_limit);
  if (config_->limits.memory == 0) memory_.group_limit = 0;
  const bool was_short = door_.memory_short();
  const bool is_short = guard_.look(memory_);
  door_.set_memory_short(is_short);
  // What tunnels that have ended leave behind is kept by the allocator for those that come, and
  // none come: without this, the refusing would never end.
  if (is_short) sys::give_back_free_memory();
  if (is_short == was_short) return;
  observe::say(is_short ? observe::Level::kWarning : observe::Level::kInfo,
               fmt::format("memory: {:.0f} % of what there is; new tunnels are {}",
                           100 * memory_.share(), is_short ? "refused" : "taken again"));
}

admission::Refused Watch::newly_refused() {
  admission::Refused now;
  for (const auto& worker : workers_) {
    const session::Metrics& metrics = *worker->metrics();
    now.for_seats += metrics.shed.value();
    now.for_memory += metrics
                          .connections[static_cast<size_t>(session::Outcome::kRefused)]
                                      [static_cast<size_t>(Code::kNoMemory)]
                          .value();
  }
  const admission::Refused before = std::exchange(refused_, now);
  return {now.for_seats - before.for_seats, now.for_memory - before.for_memory};
}

loop::Task<> Watch::make_room() {
  const admission::Refused refused = newly_refused();
  const Duration silence = config_->overload.close_idle;
  if (silence == Duration::zero()) co_return;
  const uint64_t taken = std::min(door_.seats_taken(), door_.seats());
  const uint64_t wanted = admission::idle_to_close(refused, door_.seats() - taken);
  if (wanted == 0) co_return;
  const uint64_t most = std::min(wanted, kClosedAtOnce);
  const auto ask = [silence, most](session::Worker& worker) {
    return worker.longest_silences(silence, most);
  };
  const auto answers = co_await survey(loop_, workers_, kAdviceTime, ask);
  std::vector<std::vector<Instant>> silent_since;
  silent_since.reserve(answers.size());
  for (const auto& answer : answers)
    silent_since.push_back(answer.value_or(std::vector<Instant>()));
  const auto shares = admission::shares_of(silent_since, wanted);
  auto its = shares.begin();
  for (const auto& worker : workers_) {
    worker->post(
        [silence, share = *its++](session::Worker& one) { one.close_idle(silence, share); });
  }
}

}  // namespace penstock::server
