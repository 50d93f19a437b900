// A URL that the proxy itself may ask something of: https://, or http:// to this machine, since
// whoever is on the way could otherwise answer in its place.
// Pure.   Limits: kUrlBytesMax.
#pragma once

#include <cstddef>
#include <expected>
#include <string>

#include "base/ip.h"

namespace penstock::fetch {

inline constexpr size_t kUrlBytesMax = 2048;

struct Url {
  bool encrypted = true;
};

// Or what is wrong with it, in words that go behind "this URL".
std::expected<Url, std::string> parse_url(const std::string& text);

// 127.0.0.0/8 and ::1.
bool is_this_machine(const IpAddress& address);

}  // namespace penstock::fetch
