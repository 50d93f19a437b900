// Which addresses have lately failed too often to be tried: a breaker for each endpoint, fed with
// the outcome of every attempt to connect to it. Names have breakers of their own; one name may
// have a dead address among others that answer, and then only that one is passed over.
//
// Pure.   Thread: any.   Cost: one short lock and one look-up, to ask and to tell.
// Memory: some 170 bytes for an endpoint; one that has not failed within the window is forgotten.
// At most kRoutesMax; where more fail at one time, the rest is tried as if it had no breaker.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <utility>

#include "admission/breaker.h"
#include "admission/stripes.h"
#include "base/ip.h"

namespace penstock::admission {

class Routes {
 public:
  static constexpr size_t kRoutesMax = size_t{1} << 14;

  // The right to try an endpoint once. Let go without a word, the attempt says nothing of it: it
  // was cancelled since another won, or failed for want of something of our own.
  class [[nodiscard]] Leave {
   public:
    Leave() = default;
    Leave(Leave&& other) noexcept
        : routes_(std::exchange(other.routes_, nullptr)), to_(other.to_), pass_(other.pass_) {}
    Leave& operator=(Leave&& other) noexcept {
      std::swap(routes_, other.routes_);
      std::swap(to_, other.to_);
      std::swap(pass_, other.pass_);
      return *this;
    }
    ~Leave();
    explicit operator bool() const { return routes_ != nullptr; }

    void succeeded(Instant now);
    void failed(Code why, Instant now);

   private:
    friend class Routes;
    Leave(Routes* routes, const Endpoint& to, Breaker::Pass pass)
        : routes_(routes), to_(to), pass_(pass) {}
    Routes* routes_ = nullptr;
    Endpoint to_;
    Breaker::Pass pass_{};
  };

  // `seed`: of the jitter of their pauses.
  Routes(const BreakerSettings& settings, uint64_t seed) : settings_(settings), seed_(seed) {}

  // Empty: its breaker is open.
  Leave ask(const Endpoint& to, Instant now);

  // New settings; without a breaker in them, everything that was known is forgotten.
  void set(const BreakerSettings& settings);

  // Endpoints that are not tried now, or by a probe only; how often one was passed over.
  uint64_t open() const { return open_.load(std::memory_order_relaxed); }
  uint64_t passed_over() const { return passed_over_.load(std::memory_order_relaxed); }
  size_t remembered() { return table_.size(); }

 private:
  using Table = Stripes<Endpoint, Breaker>;

  BreakerSettings settings() const;
  Breaker* find_or_remember(Table::Stripe& stripe, const Endpoint& to,
                            const BreakerSettings& settings, Instant now);
  void note(Breaker::Change change);

  Table table_;
  mutable std::mutex settings_mutex_;
  BreakerSettings settings_;  // guarded by settings_mutex_
  const uint64_t seed_;
  std::atomic<uint64_t> open_{0};
  std::atomic<uint64_t> passed_over_{0};
};

}  // namespace penstock::admission
