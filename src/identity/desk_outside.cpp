// The desk's one thread that asks what is elsewhere.
#include <algorithm>
#include <utility>

#include "identity/desk_check.h"

namespace penstock::identity {
namespace {

// Whoever calls it wakes it; so it sleeps as long as it likes.
constexpr Duration kSleep = std::chrono::minutes(1);

}  // namespace

void Desk::follow(std::vector<KeySourcePtr> sources) {
  const std::lock_guard lock(mutex_);
  sources_ = std::move(sources);
  if (fetcher_) fetcher_->wake();
}

// `news`: as it was before the check. If keys have come since, it may be right by now.
void Desk::put_aside(const CheckPtr& check, uint64_t news) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  if (news_ == news) {
    aside_.push_back(check);
    if (fetcher_) fetcher_->wake();
  } else {
    line_.push_back(check);
    called_.notify_one();
  }
}

// All of them, whichever source has news: who is still without a key is put aside again.
void Desk::take_up_again() {
  const std::lock_guard lock(mutex_);
  ++news_;
  if (closed_) return;
  line_.insert(line_.end(), aside_.begin(), aside_.end());
  aside_.clear();
  called_.notify_all();
}

// `next`: when the next is due, or as it was.
void Desk::start_fetches(fetch::Fetcher& fetcher, Instant& next) {
  std::vector<KeySourcePtr> sources;
  {
    const std::lock_guard lock(mutex_);
    sources = sources_;
  }
  const Instant now = Clock::now();
  for (const KeySourcePtr& source : sources) {
    const Instant due = source->due();
    if (due > now) {
      next = std::min(next, due);
      continue;
    }
    fetcher.start(source->begin(), [this, source](const fetch::Outcome& outcome) {
      source->end(outcome, Clock::now());
      take_up_again();
    });
  }
}

void Desk::start_questions(fetch::Fetcher& fetcher) {
  while (fetcher.running() < kOutsideMax) {
    CheckPtr check;
    Instant deadline;
    {
      const std::lock_guard lock(mutex_);
      if (outside_.empty()) return;
      check = std::move(outside_.front());
      outside_.pop_front();
      deadline = check->deadline;
    }
    const Instant now = Clock::now();
    if (deadline <= now) {
      send_away(*check);
      continue;
    }
    fetch::Request request = check->checker->remote()->request(check->claim());
    request.timeout = std::min(request.timeout, deadline - now);
    fetcher.start(std::move(request), [this, check, now](const fetch::Outcome& outcome) {
      conclude(*check, check->checker->remote()->judge(check->claim(), outcome), now);
    });
  }
}

void Desk::serve_outside() {
  fetch::Fetcher* fetcher = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    fetcher_ = std::make_unique<fetch::Fetcher>();
    fetcher = fetcher_.get();
  }
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (closed_) break;
    }
    const Instant now = Clock::now();
    Instant next = now + kSleep;
    start_fetches(*fetcher, next);
    start_questions(*fetcher);
    fetcher->wait(next - now);
  }
  std::unique_ptr<fetch::Fetcher> done;  // it goes when the lock has gone
  const std::lock_guard lock(mutex_);
  done = std::move(fetcher_);
}

}  // namespace penstock::identity
