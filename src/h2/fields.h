// Fields as HTTP/2 writes them (RFC 9113 sections 8.1 and 8.2), and those behind a body.
// Pure.   Cost: linear in bytes.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/head.h"

namespace penstock::h2 {

struct Field {
  std::string name;  // lower case
  std::string value;
};

// What a field takes in a header list beyond its bytes (RFC 9113 section 6.5.2).
inline constexpr size_t kFieldOverhead = 32;

// RFC 9113 section 8.2.1: lower case only.
bool is_field_name(std::string_view name);

// RFC 9113 section 8.2.2: they are about a connection of HTTP/1.1, and were how requests were
// smuggled through gateways.
bool belongs_to_connection(std::string_view name, std::string_view value);

// Trailers (RFC 9110 section 6.5). Those that frame, route, authenticate or change the message that
// they stand behind are left out: a reader that put them among its fields would find there what no
// rule has seen.
class TrailersReader {
 public:
  explicit TrailersReader(http::HeadLimits limits) : limits_(limits) {}

  void take(std::string_view name, std::string_view value);
  // Of all that was taken, as a header list counts.
  size_t bytes() const { return bytes_; }
  // Nothing: they are too large, or no trailers.
  std::optional<std::vector<Field>> trailers();

 private:
  const http::HeadLimits limits_;
  size_t bytes_ = 0;
  size_t count_ = 0;
  bool bad_ = false;
  std::vector<Field> fields_;
};

}  // namespace penstock::h2
