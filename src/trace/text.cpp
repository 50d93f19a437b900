#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <vector>

#include "base/counted.h"
#include "observe/figures.h"
#include "trace/report.h"

namespace penstock::trace {

using bpf::Direction;
using bpf::Event;
using bpf::Measure;
using bpf::Readings;
using observe::count_text;
using observe::latency_text;
using Output = std::back_insert_iterator<std::string>;

namespace {

constexpr size_t kDestinationsShown = 10;

struct Row {
  Direction direction;
  Measure measure;
  std::string_view name;
};
constexpr std::array kRows = {
    Row{bpf::kOutgoing, bpf::kConnect, "connect"},
    Row{bpf::kOutgoing, bpf::kSmoothedRtt, "smoothed RTT"},
    Row{bpf::kOutgoing, bpf::kMinRtt, "minimum RTT"},
    Row{bpf::kOutgoing, bpf::kLifetime, "lifetime"},
    Row{bpf::kIncoming, bpf::kHandshake, "handshake"},
    Row{bpf::kIncoming, bpf::kAcceptQueue, "accept queue"},
    Row{bpf::kIncoming, bpf::kSmoothedRtt, "smoothed RTT"},
    Row{bpf::kIncoming, bpf::kMinRtt, "minimum RTT"},
    Row{bpf::kIncoming, bpf::kLifetime, "lifetime"},
};

std::string detail_text(Event event, uint16_t detail) {
  if (event == bpf::kConnectFailed) return errno_text(detail);
  return std::string(bpf::tcp_state_word(detail));
}

uint64_t count_of(const Readings& readings, Direction direction, Event event) {
  uint64_t out = 0;
  for (const auto& [key, number] : readings.counts) {
    if (key.where.direction == direction && key.event == event) out += number;
  }
  return out;
}

// "3 (2 established, 1 syn_sent)"
std::string with_details(const Readings& readings, Direction direction, Event event) {
  std::map<uint16_t, uint64_t> by_detail;
  for (const auto& [key, number] : readings.counts) {
    const bool counts = key.where.direction == direction && key.event == event;
    if (counts && key.detail != 0) by_detail[key.detail] += number;
  }
  std::string details;
  for (const auto& [detail, number] : by_detail) {
    fmt::format_to(Output(details), "{}{} {}", details.empty() ? "" : ", ", count_text(number),
                   detail_text(event, detail));
  }
  return count_text(count_of(readings, direction, event)) +
         (details.empty() ? "" : " (" + details + ")");
}

void add_row(std::string& out, std::string_view head, const bpf::Source& source, const Row& row,
             const Readings& readings) {
  fmt::format_to(Output(out), "{:<9} {:<13}", head, row.name);
  if (!source.measures(row.measure)) {
    out += "  not known to this back end\n";
    return;
  }
  const auto distribution = readings.over_all(row.direction, row.measure);
  fmt::format_to(Output(out), "{:>9}", count_text(distribution.count));
  if (distribution.count > 0) {
    fmt::format_to(Output(out), "{:>10}", latency_text(bpf::mean(distribution)));
    for (const double p : {50.0, 90.0, 99.0, 100.0}) {
      fmt::format_to(Output(out), "{:>10}", latency_text(bpf::percentile(distribution, p)));
    }
  }
  out += '\n';
}

void add_counts(std::string& out, Direction direction, const Readings& readings) {
  struct Line {
    Event event;
    std::string_view name;
  };
  const bool outgoing = direction == bpf::kOutgoing;
  const std::array kLines = {
      Line{bpf::kEstablished, "established"},
      Line{bpf::kConnectFailed, "failed"},
      Line{bpf::kSynRetransmitted, outgoing ? "SYNs again" : "SYN-ACKs again"},
      Line{bpf::kSegmentRetransmitted, "segments again"},
      Line{bpf::kResetSent, "resets sent"},
      Line{bpf::kResetReceived, "resets received"},
  };
  std::string line;
  for (const auto& [event, name] : kLines) {
    // What did not happen is not said, but that nothing was established is.
    if (event != bpf::kEstablished && count_of(readings, direction, event) == 0) continue;
    fmt::format_to(Output(line), "{}{} {}", line.empty() ? "" : ", ", name,
                   with_details(readings, direction, event));
  }
  fmt::format_to(Output(out), "          {}\n", line);
}

void add_destinations(std::string& out, const Readings& readings) {
  std::map<bpf::Where, uint64_t> busy;
  for (const auto& [key, number] : readings.counts) {
    if (key.where.destination.port == 0) continue;
    busy[key.where] +=
        key.event == bpf::kEstablished || key.event == bpf::kConnectFailed ? number : 0;
  }
  std::vector<std::pair<bpf::Where, uint64_t>> order(busy.begin(), busy.end());
  std::ranges::sort(order, [](const auto& a, const auto& b) {
    return std::pair(b.second, a.first) < std::pair(a.second, b.first);
  });
  if (!order.empty()) {
    fmt::format_to(Output(out), "{:<42}{:>10}{:>10}{:>10}\n", "busiest", "connects", "mean", "p50");
  }
  for (size_t i = 0; i < std::min(order.size(), kDestinationsShown); ++i) {
    const bpf::Where& where = order[i].first;
    const auto measure = where.direction == bpf::kOutgoing ? bpf::kConnect : bpf::kHandshake;
    const auto found = readings.distributions.find({where, measure});
    fmt::format_to(Output(out), "{} {:<39}{:>10}", where.direction == bpf::kOutgoing ? "to" : "at",
                   where.destination.text(), count_text(order[i].second));
    if (found != readings.distributions.end()) {
      fmt::format_to(Output(out), "{:>10}{:>10}", latency_text(bpf::mean(found->second)),
                     latency_text(bpf::percentile(found->second, 50)));
    }
    out += '\n';
  }
  if (order.size() > kDestinationsShown) {
    fmt::format_to(Output(out), "and {} more\n", count_text(order.size() - kDestinationsShown));
  }
}

}  // namespace

std::string_view end_word(Direction direction) {
  return direction == bpf::kOutgoing ? "destination" : "listener";
}

std::string errno_text(int number) {
  const char* const name = strerrorname_np(number);
  return name ? name : std::to_string(number);
}

std::string text(const Span& span, const bpf::Source& source, const Readings& readings) {
  std::string out = fmt::format("{}  {} of {}\n", span.ended, span.name, latency_text(span.length));
  fmt::format_to(Output(out), "{:>32}{:>10}{:>10}{:>10}{:>10}{:>10}\n", "count", "mean", "p50",
                 "p90", "p99", "max");
  for (const Direction direction : {bpf::kOutgoing, bpf::kIncoming}) {
    bool first = true;
    for (const Row& row : kRows) {
      if (row.direction != direction) continue;
      add_row(out, first ? bpf::word(direction) : "", source, row, readings);
      first = false;
    }
    add_counts(out, direction, readings);
  }
  add_destinations(out, readings);
  fmt::format_to(Output(out), "listen overflows {}, lost {}\n",
                 count_text(readings.listen_overflows), count_text(readings.lost));
  return out;
}

}  // namespace penstock::trace
