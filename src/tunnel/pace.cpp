#include "tunnel/pace.h"

#include <algorithm>
#include <utility>

namespace penstock::tunnel {
namespace {

using admission::Gcra;
using admission::Ration;

Gcra bandwidth_rule(uint64_t bytes_per_second) {
  const Ration rate{bytes_per_second};
  const Gcra least(rate, Pace::kLeastBurstBytes);
  return {rate, std::max(Pace::kBurst, least.burst())};
}

size_t turn_bytes(uint64_t bytes_per_second) {
  const Gcra turn(Ration{bytes_per_second}, Pace::kTurn);
  return std::clamp<size_t>(turn.allowance({}, {}), Pace::kLeastBurstBytes, Pace::kTurnBytesMax);
}

}  // namespace

Pace::Pace(uint64_t bandwidth, const admission::Charges& charges) {
  if (bandwidth != 0) own_.emplace(bandwidth_rule(bandwidth));
  if (charges.bandwidth != nullptr) {
    turn_.emplace(*charges.bandwidth, bandwidth_rule(charges.bytes_per_second),
                  turn_bytes(charges.bytes_per_second));
  }
  if (charges.bytes != nullptr) count_.emplace(*charges.bytes);
}

Pace::~Pace() {
  if (turn_) turn_->debt.credit(turn_->rule.price(turn_->granted));
  if (count_) count_->bytes.fetch_add(count_->uncounted, std::memory_order_relaxed);
}

size_t Pace::allowance(Instant now, size_t wanted) {
  if (own_) wanted = std::min(wanted, own_->rule.allowance(own_->paid_at, now));
  if (wanted == 0 || !turn_) return wanted;
  if (turn_->granted == 0) {
    turn_->granted = std::min(wanted, turn_->quantum);
    const Duration price = turn_->rule.price(turn_->granted);
    turn_->at = turn_->debt.charge(now, price) - turn_->rule.burst();
  }
  return now >= turn_->at ? std::min(wanted, turn_->granted) : 0;
}

void Pace::spend(Instant now, size_t bytes) {
  if (own_) own_->paid_at = own_->rule.spend(own_->paid_at, now, bytes);
  if (turn_) settle_turn(now, bytes);
  if (count_) count(now, bytes);
}

void Pace::settle_turn(Instant now, size_t bytes) {
  const size_t granted = std::exchange(turn_->granted, 0);
  if (bytes < granted) turn_->debt.credit(turn_->rule.price(granted - bytes));
  if (bytes > granted) turn_->debt.charge(now, turn_->rule.price(bytes - granted));
}

void Pace::count(Instant now, size_t bytes) {
  if (count_->uncounted == 0) count_->since = now;
  count_->uncounted += bytes;
  if (count_->uncounted < kUncountedMax && now < count_->since + kUncountedFor) return;
  count_->bytes.fetch_add(std::exchange(count_->uncounted, 0), std::memory_order_relaxed);
}

Instant Pace::resume_at() const {
  if (turn_ && turn_->granted > 0) return turn_->at;
  return own_->paid_at - own_->rule.burst() / 2;
}

}  // namespace penstock::tunnel
