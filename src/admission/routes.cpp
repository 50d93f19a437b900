#include "admission/routes.h"

namespace penstock::admission {

Routes::Leave Routes::ask(const Endpoint& to, Instant now) {
  const BreakerSettings current = settings();
  Table::Stripe& stripe = table_.of(to);
  const std::lock_guard lock(stripe.mutex);
  const auto found = stripe.map.find(to);
  if (found == stripe.map.end()) return Leave(this, to, Breaker::Pass::kGranted);
  const auto pass = found->second.ask(current, now);
  if (pass != Breaker::Pass::kRefused) return Leave(this, to, pass);
  passed_over_.fetch_add(1, std::memory_order_relaxed);
  return Leave();
}

Routes::Leave::~Leave() {
  // Only a probe leaves something behind that has to be taken back.
  if (!routes_ || pass_ != Breaker::Pass::kProbe) return;
  Table::Stripe& stripe = routes_->table_.of(to_);
  const std::lock_guard lock(stripe.mutex);
  const auto found = stripe.map.find(to_);
  if (found != stripe.map.end()) found->second.abandoned(pass_);
}

void Routes::Leave::succeeded(Instant now) {
  Routes& routes = *std::exchange(routes_, nullptr);
  const BreakerSettings current = routes.settings();
  Table::Stripe& stripe = routes.table_.of(to_);
  const std::lock_guard lock(stripe.mutex);
  Breaker* breaker = routes.find_or_remember(stripe, to_, current, now);
  if (breaker) routes.note(breaker->succeeded(current, pass_, now));
}

void Routes::Leave::failed(Code why, Instant now) {
  Routes& routes = *std::exchange(routes_, nullptr);
  const BreakerSettings current = routes.settings();
  Table::Stripe& stripe = routes.table_.of(to_);
  const std::lock_guard lock(stripe.mutex);
  Breaker* breaker = routes.find_or_remember(stripe, to_, current, now);
  if (breaker) routes.note(breaker->failed(current, pass_, why, now));
}

// Null: there is no room, and nothing that can be forgotten.
Breaker* Routes::find_or_remember(Table::Stripe& stripe, const Endpoint& to,
                                  const BreakerSettings& settings, Instant now) {
  if (settings.failure_percent == 0) return nullptr;
  const auto found = stripe.map.find(to);
  if (found != stripe.map.end()) return &found->second;
  const auto full = [&stripe] { return stripe.map.size() >= kRoutesMax / Table::kStripes; };
  // Looking through a full stripe for each new address would let a client that asks for many make
  // every other one wait.
  if (now >= stripe.tidied + (full() ? settings.window / 8 : settings.window)) {
    stripe.tidied = now;
    std::erase_if(stripe.map, [&](auto& entry) { return entry.second.idle(settings, now); });
  }
  if (full()) return nullptr;
  const uint64_t seed = seed_ ^ std::hash<Endpoint>()(to);
  return &stripe.map.try_emplace(to, seed).first->second;
}

void Routes::note(Breaker::Change change) {
  if (change == Breaker::Change::kOpened) open_.fetch_add(1, std::memory_order_relaxed);
  if (change == Breaker::Change::kClosed) open_.fetch_sub(1, std::memory_order_relaxed);
}

void Routes::set(const BreakerSettings& settings) {
  {
    const std::lock_guard lock(settings_mutex_);
    settings_ = settings;
  }
  if (settings.failure_percent != 0) return;
  table_.clear();
  open_.store(0, std::memory_order_relaxed);
}

BreakerSettings Routes::settings() const {
  const std::lock_guard lock(settings_mutex_);
  return settings_;
}

}  // namespace penstock::admission
