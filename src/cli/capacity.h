// What a running proxy has measured of itself: its admin listener's /capacity, fetched and read.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"

namespace penstock::cli {

// Everything may be missing: a figure that was not measured, or another version's page. Times in
// seconds.
struct Capacity {
  std::optional<double> window_seconds;
  std::optional<double> lambda;          // set-ups per second
  std::optional<double> setup_seconds;   // W
  std::optional<double> pending_mean;    // L, counted
  std::optional<double> tunnel_seconds;  // a tunnel's life
  std::optional<double> bytes_per_second;
  std::optional<double> utilisation;  // of all workers, 0 to 1
  std::optional<double> cpu_per_connect_seconds;
  std::optional<double> p_wait;
  std::optional<uint64_t> workers;
  std::optional<uint64_t> seats, pending, descriptors, memory_bytes, ephemeral_ports;
  std::optional<uint64_t> destinations;  // that set-ups went to
};

// The error: one sentence.
std::expected<Capacity, std::string> read_capacity(std::string_view text);

// GET /capacity, within a few seconds. The error: one sentence that begins with the address.
std::expected<Capacity, std::string> fetch_capacity(const Endpoint& admin);

}  // namespace penstock::cli
