#include "server/clerks.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>

#include "observe/program_log.h"
#include "sys/process.h"

namespace penstock::server {
namespace {

constexpr uint64_t kClerksMax = 4;
constexpr int kNiceness = 10;
constexpr Duration kFileCheck = std::chrono::seconds(1);

bool asks_outside(const identity::Book& book) {
  return book.has_remote_checkers() || !book.key_sources().empty();
}

}  // namespace

void Clerks::staff(const config::Config& config) {
  const bool takes = config.identity && config.identity->has_checkers();
  desk_.follow(takes ? config.identity->key_sources() : std::vector<identity::KeySourcePtr>());
  if (!takes) return;
  if (!outside_.joinable() && asks_outside(*config.identity)) {
    outside_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "identity/out");
      desk_.serve_outside();
    });
  }
  if (!threads_.empty()) return;
  const uint64_t count = std::clamp<uint64_t>(sys::usable_cpus(), 1, kClerksMax);
  for (uint64_t i = 0; i < count; ++i) {
    threads_.emplace_back([this, i] {
      pthread_setname_np(pthread_self(), fmt::format("identity/{}", i).c_str());
      // On Linux, of this thread alone. Where it is refused all are alike, which is no worse than
      // slow.
      (void)::setpriority(PRIO_PROCESS, 0, kNiceness);
      desk_.serve();
    });
  }
}

loop::RootTask Clerks::follow_files(loop::Loop& loop, const config::Snapshot& config) {
  for (;;) {
    co_await loop::SleepUntil(loop, loop.now() + kFileCheck);
    if (!config->identity) continue;
    for (const auto& news : config->identity->refresh()) {
      observe::say(news.good ? observe::Level::kInfo : observe::Level::kWarning, news.line);
    }
  }
}

void Clerks::dismiss() {
  desk_.close();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  if (outside_.joinable()) outside_.join();
}

}  // namespace penstock::server
