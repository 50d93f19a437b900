// The fields of an answer's head by name, and the two in which a proxy speaks of itself:
// Proxy-Status (RFC 9209) and Server-Timing (W3C, as penstock writes it with `server_timing`).
// Heads are those that AnswerReader found good. What does not fit the grammar is left out.
// Pure.   Cost: linear in bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace penstock::http {

// The head of the final answer within `received`, whose heads end at `length` (Answer::length):
// status line and fields, without the interim answers before it.
std::string_view final_head(std::string_view received, size_t length);

// The values of every field of that name (compared without case), trimmed, in order. Views into
// `head`.
std::vector<std::string_view> field_values(std::string_view head, std::string_view name);

// One member of Proxy-Status: a proxy on the way, the nearest to the origin first.
struct ProxyStatus {
  std::string proxy;  // its name, a token or the text of a string
  std::string error;  // the error type, a token; empty: it reports none
  std::string details;

  friend bool operator==(const ProxyStatus&, const ProxyStatus&) = default;
};
std::vector<ProxyStatus> proxy_statuses(std::string_view head);

// The `dur` of the first metric of that name in Server-Timing. Empty: there is none, or it is no
// plain decimal number of milliseconds up to a day.
std::optional<Duration> server_timing(std::string_view head, std::string_view metric);

}  // namespace penstock::http
