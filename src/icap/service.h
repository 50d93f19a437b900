// A service of ICAP (RFC 3507) as its owner has named it: where it is, and what is done with it.
// Pure. Thread: any.   Lifetime: shared by configurations and by what is under way.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "base/time.h"
#include "http/authority.h"

namespace penstock::icap {

inline constexpr uint16_t kPort = 1344;
// Of a body, this much may be held until the service has said what becomes of it. It is what one
// message costs in memory at most, whatever the service wants to see of it first.
inline constexpr uint64_t kHeldMax = uint64_t{32} * 1024;
// Each has counters of its own.
inline constexpr size_t kServicesMax = 16;

// What a service is told of a message besides the message.
enum class Told : uint8_t {
  kClient,    // X-Client-IP
  kIdentity,  // X-Authenticated-User
  kOrigin,    // X-Server-IP
};
enum class OnFailure : uint8_t { kRefuse, kBypass };

struct Service {
  Place place;
  std::string name;
  http::Authority authority;
  std::string path;  // with its query; begins with '/'
  OnFailure on_failure = OnFailure::kRefuse;
  bool previews = true;             // as far as the service wants one
  uint64_t preview_max = kHeldMax;  // bytes
  uint64_t connections = 16;        // of each worker
  Duration timeout = std::chrono::seconds(10);
  std::vector<Told> tells;

  bool says(Told what) const { return std::ranges::find(tells, what) != tells.end(); }
  // "icap://host:port/path", as the service is told it.
  std::string uri() const { return "icap://" + authority.text() + path; }
};

using ServicePtr = std::shared_ptr<const Service>;
using Services = std::vector<ServicePtr>;

// The place of the one of that name; services.size(): there is none.
size_t find_service(const Services& services, std::string_view name);

struct ServiceUrl {
  http::Authority authority;
  std::string path;
};
// icap://host:port/path; without a port 1344 is meant. The error is a sentence that says what was
// found and what would be right.
std::expected<ServiceUrl, std::string> parse_service_url(std::string_view text);

}  // namespace penstock::icap
