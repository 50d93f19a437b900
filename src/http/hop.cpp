#include "http/hop.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/ascii.h"
#include "http/structured.h"

namespace penstock::http {
namespace {

constexpr std::string_view kWebSocket = "websocket";

// What ends here or is written anew, whether Connection names it or not.
constexpr std::array<std::string_view, 8> kNotPassed = {
    "connection", "keep-alive",     "te",  "trailer", "transfer-encoding",
    "upgrade",    "content-length", "host"};

bool is_one_of(std::string_view name, std::span<const std::string_view> names) {
  return std::ranges::any_of(
      names, [name](std::string_view one) { return equals_ignoring_case(name, one); });
}

bool is_for_proxies(std::string_view name) {
  constexpr std::string_view kPrefix = "proxy-";
  return equals_ignoring_case(name.substr(0, kPrefix.size()), kPrefix) &&
         !equals_ignoring_case(name, "proxy-status");
}

// What stands before the next `mark`, wherever that is, taken off `rest` together with it.
std::string_view take_plain(char mark, std::string_view& rest) {
  const size_t at = std::min(rest.find(mark), rest.size());
  const std::string_view taken = rest.substr(0, at);
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return taken;
}

// Empty members are allowed in a list and mean nothing (RFC 9110 section 5.6.1).
bool add_members(std::string_view value, std::vector<std::string_view>& out) {
  while (!value.empty()) {
    const std::string_view member = trim(take_plain(',', value));
    if (member.empty()) continue;
    if (out.size() == Hop::kOptionsMax) return false;
    out.push_back(member);
  }
  return true;
}

}  // namespace

bool Hop::websocket() const {
  return upgrade && upgrades.size() == 1 && equals_ignoring_case(upgrades.front(), kWebSocket);
}

std::optional<Hop> read_hop(std::string_view lines) {
  Hop out;
  for (Field field; take_field(lines, field);) {
    if (equals_ignoring_case(field.name, "connection")) {
      if (!add_members(field.value, out.options)) return std::nullopt;
    } else if (equals_ignoring_case(field.name, "upgrade")) {
      if (!add_members(field.value, out.upgrades)) return std::nullopt;
    }
  }
  // "close" with anything about it that is no token may be a close to the next reader.
  if (!std::ranges::all_of(out.options, is_token)) return std::nullopt;
  out.close = is_one_of("close", out.options);
  out.upgrade = is_one_of("upgrade", out.options);
  return out;
}

void append_passing_fields(std::string& out, std::string_view lines, const Hop& hop) {
  const char* start = lines.data();
  for (Field field; take_field(lines, field); start = lines.data()) {
    if (is_one_of(field.name, kNotPassed) || is_for_proxies(field.name) ||
        is_one_of(field.name, hop.options)) {
      continue;
    }
    out.append(start, lines.data());  // the whole line, with its end
  }
}

bool passed_through(std::string_view lines, std::string_view pseudonym) {
  for (Field field; take_field(lines, field);) {
    if (!equals_ignoring_case(field.name, "via")) continue;
    while (!field.value.empty()) {
      // received-protocol RWS received-by [ RWS comment ]. Any comma ends a member: a quotation
      // mark in somebody's comment hides nobody behind it.
      std::string_view member = trim(take_plain(',', field.value));
      take_plain(' ', member);
      if (equals_ignoring_case(take_plain(' ', member), pseudonym)) return true;
    }
  }
  return false;
}

bool binds_connection(std::string_view lines) {
  constexpr std::array<std::string_view, 2> kBinding = {"ntlm", "negotiate"};
  for (Field field; take_field(lines, field);) {
    if (!equals_ignoring_case(field.name, "authorization") &&
        !equals_ignoring_case(field.name, "www-authenticate")) {
      continue;
    }
    // A list of challenges; the scheme is the first word of any member.
    while (!field.value.empty()) {
      std::string_view member = trim(take_plain(',', field.value));
      if (is_one_of(take_plain(' ', member), kBinding)) return true;
    }
  }
  return false;
}

}  // namespace penstock::http
