// What a source has measured so far, as values: added up, subtracted, and read back as percentiles.
// Pure.
#pragma once

#include <compare>
#include <cstdint>
#include <cstring>
#include <map>
#include <string_view>

#include "base/ip.h"
#include "base/time.h"
#include "bpf/shared.h"

namespace penstock::bpf {

// A Group as the user side knows it: `far.port` 0 where destinations are not told apart.
struct Where {
  Direction direction = kOutgoing;
  Endpoint destination;
  friend auto operator<=>(const Where&, const Where&) = default;
};
Where where(const Group& group);

struct EventKey {
  Where where;
  Event event = kEstablished;
  uint16_t detail = 0;
  friend auto operator<=>(const EventKey&, const EventKey&) = default;
};

struct MeasureKey {
  Where where;
  Measure measure = kConnect;
  friend auto operator<=>(const MeasureKey&, const MeasureKey&) = default;
};

Duration mean(const Distribution& distribution);  // exact; zero while empty
// The upper edge of the slot that holds it; 0 < p <= 100. Zero while empty.
Duration percentile(const Distribution& distribution, double p);
void record(Distribution& distribution, uint64_t micros);

struct Readings {
  std::map<MeasureKey, Distribution> distributions;
  std::map<EventKey, uint64_t> counts;
  uint64_t lost = 0;  // found no room in a map
  // Connections that were dropped since their accept queue was full, in the network namespace.
  uint64_t listen_overflows = 0;

  uint64_t count(Event event) const;  // over all destinations, directions and details
  // Over all destinations of one direction.
  Distribution over_all(Direction direction, Measure measure) const;

  // What has come since `before`, which was read earlier from the same source.
  Readings since(const Readings& before) const;
};

std::string_view word(Direction direction);  // "outgoing"
std::string_view word(Measure measure);      // "connect", as in JSON and Prometheus
std::string_view word(Event event);
std::string_view tcp_state_word(uint16_t state);  // "established"

}  // namespace penstock::bpf
