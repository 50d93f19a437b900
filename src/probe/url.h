// The URL to ask for, and which proxy the environment names for it.
// Pure.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "http/authority.h"

namespace penstock::probe {

struct Url {
  http::Authority authority;
  std::string target;  // path and query, as in a request line; "/" at least

  std::string text() const;  // without a port that goes without saying
};

// The error is a sentence that says what was found and what would be right.
std::expected<Url, std::string> parse_url(std::string_view text);

// A proxy as the environment names it: HTTPS_PROXY or https_proxy, and NO_PROXY or no_proxy.
struct Environment {
  std::string https_proxy;
  std::string no_proxy;
};
Environment read_environment();

// Does NO_PROXY exempt `origin`? A comma or space separated list of `*` (everybody), names (which
// hold for themselves and what is below them, with or without a leading dot), addresses and
// CIDR prefixes, each of the names and addresses perhaps with a port.
bool goes_direct(std::string_view no_proxy, const http::Authority& origin);

}  // namespace penstock::probe
