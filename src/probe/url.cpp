#include "probe/url.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "base/ascii.h"
#include "http/proxy_url.h"

namespace penstock::probe {
namespace {

constexpr size_t kTargetBytesMax = 8192;

std::string shown_place(const http::Authority& authority, uint16_t unsaid) {
  std::string out = authority.text();
  if (authority.port == unsaid) out.resize(out.rfind(':'));
  return out;
}

bool is_target_byte(char c) {
  return c > 0x20 && c < 0x7f;
}

const char* variable(const char* name, const char* other) {
  // The lower-case names came first, and curl gives them precedence.
  for (const char* one : {name, other}) {
    const char* const value = std::getenv(one);
    if (value && *value) return value;
  }
  return "";
}

// One entry of NO_PROXY.
bool exempts(std::string_view entry, const http::Authority& origin) {
  if (entry == "*") return true;
  if (const auto prefix = IpPrefix::parse(entry)) {
    return origin.literal && prefix->contains(*origin.literal);
  }
  if (entry.starts_with('.')) entry.remove_prefix(1);
  std::string_view host = entry;
  if (const size_t colon = entry.rfind(':'); colon != entry.npos && !entry.ends_with(']')) {
    const auto port = parse_decimal(entry.substr(colon + 1), 65535);
    if (!port || *port != origin.port) return false;
    host = entry.substr(0, colon);
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (const auto address = IpAddress::parse(host)) return origin.literal == address;
  const std::string name = lower(host);
  if (name.empty() || origin.literal) return false;
  return origin.host == name || origin.host.ends_with("." + name);
}

}  // namespace

std::string Url::text() const {
  return "https://" + shown_place(authority, http::kHttpsPort) + target;
}

std::expected<Url, std::string> parse_url(std::string_view text) {
  std::string_view rest = text;
  if (!http::take_prefix(rest, "http://").empty()) {
    return std::unexpected(fmt::format(
        "\"{}\" is in the clear, and the probe times TLS; write https://{}", text, rest));
  }
  if (http::take_prefix(rest, "https://").empty()) {
    return std::unexpected(fmt::format("\"{}\" is no URL; write https://{}", text,
                                       text.contains("://") || text.empty() ? "host/" : text));
  }
  const std::string_view place = rest.substr(0, rest.find_first_of("/?#"));
  rest.remove_prefix(place.size());
  rest = rest.substr(0, rest.find('#'));  // a fragment is the client's own business
  if (place.contains('@')) {
    return std::unexpected(
        fmt::format("\"{}\" holds user information (@), which is not sent; leave it out",
                    "https://...@" + std::string(place.substr(place.rfind('@') + 1))));
  }
  auto authority = http::parse_place(place, http::kHttpsPort);
  if (!authority) return std::unexpected(fmt::format("\"{}\": {}", text, authority.error()));
  if (rest.size() > kTargetBytesMax || !std::ranges::all_of(rest, is_target_byte)) {
    return std::unexpected(fmt::format(
        "\"{}\" has a path with blanks or bytes that are not ASCII, or one above {} bytes; write "
        "them as %XX",
        text, kTargetBytesMax));
  }
  return Url{std::move(*authority),
             rest.starts_with('/') ? std::string(rest) : "/" + std::string(rest)};
}

Environment read_environment() {
  return {.https_proxy = variable("https_proxy", "HTTPS_PROXY"),
          .no_proxy = variable("no_proxy", "NO_PROXY")};
}

bool goes_direct(std::string_view no_proxy, const http::Authority& origin) {
  constexpr std::string_view kBetween = ", \t";
  while (!no_proxy.empty()) {
    const size_t end = std::min(no_proxy.find_first_of(kBetween), no_proxy.size());
    const std::string_view entry = no_proxy.substr(0, end);
    no_proxy.remove_prefix(std::min(end + 1, no_proxy.size()));
    if (!entry.empty() && exempts(entry, origin)) return true;
  }
  return false;
}

}  // namespace penstock::probe
