#include "bpf/readings.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"

namespace penstock::bpf {
namespace {

template <class T, size_t n>
std::string_view at(const std::array<T, n>& words, size_t index) {
  return index < n ? words[index] : "unknown";
}

void add(Distribution& to, const Distribution& from) {
  to.count += from.count;
  to.sum_us += from.sum_us;
  for (size_t i = 0; i < kSlots; ++i) to.slots[i] += from.slots[i];
}

// The kernel counts on while it is read, so a part of a distribution may be newer than another;
// nothing of it ever goes back.
template <class T>
T difference(T now, T before) {
  return now > before ? now - before : 0;
}

}  // namespace

Where where(const Group& group) {
  Where out{.direction = group.direction == kIncoming ? kIncoming : kOutgoing, .destination = {}};
  if (group.family == 0) return out;
  std::copy(std::begin(group.address), std::end(group.address),
            out.destination.address.bytes.begin());
  out.destination.address.v6 = group.family == 6;
  out.destination.port = group.port;
  return out;
}

Duration mean(const Distribution& distribution) {
  if (distribution.count == 0) return {};
  return std::chrono::nanoseconds(std::llround(1000.0 * static_cast<double>(distribution.sum_us) /
                                               static_cast<double>(distribution.count)));
}

Duration percentile(const Distribution& distribution, double p) {
  PENSTOCK_CHECK(p > 0 && p <= 100);
  uint64_t in_slots = 0;
  for (const uint32_t slot : distribution.slots) in_slots += slot;
  const auto rank = std::max<uint64_t>(
      1, static_cast<uint64_t>(std::ceil(p / 100 * static_cast<double>(in_slots) * (1 - 1e-12))));
  uint64_t seen = 0;
  for (uint32_t i = 0; i < kSlots; ++i) {
    seen += distribution.slots[i];
    if (seen >= rank) return std::chrono::microseconds(upper_edge(i));
  }
  return {};
}

void record(Distribution& distribution, uint64_t micros) {
  ++distribution.slots[slot_of(micros)];
  ++distribution.count;
  distribution.sum_us += micros;
}

uint64_t Readings::count(Event event) const {
  uint64_t out = 0;
  for (const auto& [key, number] : counts) out += key.event == event ? number : 0;
  return out;
}

Distribution Readings::over_all(Direction direction, Measure measure) const {
  Distribution out{};
  for (const auto& [key, distribution] : distributions) {
    if (key.where.direction == direction && key.measure == measure) add(out, distribution);
  }
  return out;
}

Readings Readings::since(const Readings& before) const {
  Readings out = *this;
  out.lost = difference(lost, before.lost);
  out.listen_overflows = difference(listen_overflows, before.listen_overflows);
  for (auto& [key, distribution] : out.distributions) {
    const auto old = before.distributions.find(key);
    if (old == before.distributions.end()) continue;
    distribution.count = difference(distribution.count, old->second.count);
    distribution.sum_us = difference(distribution.sum_us, old->second.sum_us);
    for (size_t i = 0; i < kSlots; ++i) {
      distribution.slots[i] = difference(distribution.slots[i], old->second.slots[i]);
    }
  }
  for (auto& [key, number] : out.counts) {
    const auto old = before.counts.find(key);
    if (old != before.counts.end()) number = difference(number, old->second);
  }
  std::erase_if(out.distributions, [](const auto& item) { return item.second.count == 0; });
  std::erase_if(out.counts, [](const auto& item) { return item.second == 0; });
  return out;
}

std::string_view word(Direction direction) {
  return direction == kOutgoing ? "outgoing" : "incoming";
}

std::string_view word(Measure measure) {
  static constexpr std::array<std::string_view, kMeasures> kWords = {
      "connect", "handshake", "accept_queue", "smoothed_rtt", "min_rtt", "lifetime"};
  return at(kWords, measure);
}

std::string_view word(Event event) {
  static constexpr std::array<std::string_view, kEvents> kWords = {
      "established", "syn_retransmitted", "segment_retransmitted",
      "reset_sent",  "reset_received",    "connect_failed"};
  return at(kWords, event);
}

std::string_view tcp_state_word(uint16_t state) {
  static constexpr std::array<std::string_view, 13> kWords = {
      "unknown",    "established", "syn_sent",        "syn_received", "fin_wait_1",
      "fin_wait_2", "time_wait",   "close",           "close_wait",   "last_ack",
      "listen",     "closing",     "new_syn_received"};
  return at(kWords, state);
}

}  // namespace penstock::bpf
