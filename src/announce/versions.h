// What the two versions share, for this layer alone.
#pragma once

#include <span>
#include <string_view>
#include <utility>

#include "announce/header.h"

namespace penstock::announce {

inline constexpr std::string_view kV1Start = "PROXY ";
inline constexpr std::string_view kV2Start("\r\n\r\n\0\r\nQUIT\n", 12);

// `received` begins with the start of that version.
Reading<Header> read_v1(std::span<const uint8_t> received);
Reading<Header> read_v2(std::span<const uint8_t> received);

// ::ffff:192.0.2.1 is 192.0.2.1, or a rule for that client would not see it.
IpAddress plain(const IpAddress& address);
std::pair<Endpoint, Endpoint> in_one_family(const Announcement& announcement);

}  // namespace penstock::announce
