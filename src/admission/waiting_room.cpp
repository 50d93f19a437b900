#include "admission/waiting_room.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace penstock::admission {

void WaitingRoom::enter(const WaitingSettings& settings, Ticket& ticket, const IpAddress& client,
                        Instant now) {
  PENSTOCK_CHECK(!ticket.waiting());
  judge(settings, Duration::zero(), now);
  Lane& lane = lanes_.try_emplace(client, client).first->second;
  if (!lane.linked()) turns_.push_back(lane);
  lane.tickets.push_back(ticket);
  ages_.push_back(ticket.age_);
  ticket.lane_ = &lane;
  ticket.entered_ = now;
  ++size_;
}

void WaitingRoom::leave(Ticket& ticket) {
  Lane& lane = *std::exchange(ticket.lane_, nullptr);
  ticket.unlink();
  ticket.age_.unlink();
  --size_;
  if (lane.tickets.empty()) lanes_.erase(lanes_.find(lane.client));
}

WaitingRoom::Ticket* WaitingRoom::oldest() {
  if (size_ == 0) return nullptr;
  Ticket& ticket = ages_.front().ticket;
  leave(ticket);
  return &ticket;
}

WaitingRoom::Ticket* WaitingRoom::next(const WaitingSettings& settings, Instant now) {
  if (size_ == 0) return nullptr;
  Lane& lane = turns_.front();
  turns_.push_back(lane);
  Ticket& ticket = overloaded_ ? lane.tickets.back() : lane.tickets.front();
  leave(ticket);
  judge(settings, now - ticket.entered_, now);
  return &ticket;
}

WaitingRoom::Ticket* WaitingRoom::next_stale(const WaitingSettings& settings, Instant now) {
  if (!overloaded_ || size_ == 0) return nullptr;
  if (now - ages_.front().ticket.entered_ <= settings.interval()) return nullptr;
  return oldest();
}

// The newest go first under overload and have good waits then, so it is the oldest who says whether
// the queue still stands.
void WaitingRoom::judge(const WaitingSettings& settings, Duration waited, Instant now) {
  if (size_ > 0) waited = std::max(waited, now - ages_.front().ticket.entered_);
  if (waited <= settings.target()) {
    below_target_ = now;
    overloaded_ = false;
  } else if (now - below_target_ > settings.interval()) {
    overloaded_ = true;
  }
}

}  // namespace penstock::admission
