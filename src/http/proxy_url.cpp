#include "http/proxy_url.h"

#include <algorithm>
#include <optional>

#include "base/ascii.h"
#include "base/base64.h"
#include "http/structured.h"

namespace penstock::http {
namespace {

std::string quoted(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

// `text` with `port` behind it unless it has one.
std::string with_port(std::string_view text, uint16_t port) {
  const size_t bracket = text.rfind(']');
  const size_t colon = text.rfind(':');
  const bool has_port = colon != text.npos && (bracket == text.npos || colon > bracket);
  return has_port ? std::string(text) : std::string(text) + ":" + std::to_string(port);
}

std::string_view prefix_of(ProxyUrl::Scheme scheme) {
  switch (scheme) {
    case ProxyUrl::Scheme::kHttp: return "http://";
    case ProxyUrl::Scheme::kHttps: return "https://";
    case ProxyUrl::Scheme::kSocks5: return "socks5h://";
  }
  return "http://";
}

uint16_t unsaid_port(ProxyUrl::Scheme scheme) {
  switch (scheme) {
    case ProxyUrl::Scheme::kHttp: return kHttpPort;
    case ProxyUrl::Scheme::kHttps: return kHttpsPort;
    case ProxyUrl::Scheme::kSocks5: return kSocksPort;
  }
  return kHttpPort;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size() || !is_hex_digit(text[i + 1]) || !is_hex_digit(text[i + 2])) {
      return std::nullopt;
    }
    out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
    i += 2;
  }
  return out;
}

}  // namespace

std::string_view take_prefix(std::string_view& text, std::string_view prefix) {
  const bool there = equals_ignoring_case(text.substr(0, prefix.size()), prefix);
  const std::string_view taken = text.substr(0, there ? prefix.size() : 0);
  text.remove_prefix(taken.size());
  return taken;
}

std::expected<Authority, std::string> parse_place(std::string_view text, uint16_t port) {
  auto authority = parse_authority(with_port(text, port));
  if (authority) return std::move(*authority);
  return std::unexpected(std::string(authority.error().facts().sentence));
}

std::string ProxyUrl::text() const {
  return std::string(prefix_of(scheme)) + authority.text();
}

std::string ProxyUrl::authorization() const {
  return credentials.empty() ? "" : "Basic " + encode_base64(credentials);
}

namespace {

// What is wrong with credentials; empty: nothing. RFC 1929 section 2 has a byte for each length.
std::string fault_of(const ProxyUrl& url) {
  const std::string_view all = url.credentials;
  if (!std::ranges::none_of(all, [](char c) { return is_control(c) || c == '\t'; })) {
    return "the user and password of the proxy hold a bad %XX";
  }
  constexpr size_t kSocksBytesMax = 255;
  const size_t user = all.find(':');
  const size_t password = all.size() - user - 1;
  if (url.socks() &&
      (user == 0 || user > kSocksBytesMax || password == 0 || password > kSocksBytesMax)) {
    return "a user and a password of SOCKS have 1 to 255 bytes each; leave both out for none";
  }
  return {};
}

// `rest` has no scheme in front any more. A password is not repeated, whatever is wrong with the
// rest.
std::expected<ProxyUrl, std::string> parse_rest(ProxyUrl::Scheme scheme, std::string_view rest,
                                                std::string_view spoken) {
  ProxyUrl out{.authority = {}, .scheme = scheme, .credentials = {}};
  if (rest.ends_with('/')) rest.remove_suffix(1);
  const size_t at = rest.rfind('@');
  const std::string_view place = at == rest.npos ? rest : rest.substr(at + 1);
  // A slash has no place in credentials, so what has one here is another scheme.
  if (rest.contains("://")) {
    return std::unexpected(quoted(place) + " is no proxy that is spoken here; write " +
                           std::string(spoken));
  }
  if (at != rest.npos) {
    auto credentials = percent_decoded(rest.substr(0, at));
    if (!credentials) return std::unexpected("the user and password of the proxy hold a bad %XX");
    out.credentials = std::move(*credentials);
    if (!out.credentials.contains(':')) out.credentials += ':';
    if (std::string fault = fault_of(out); !fault.empty()) return std::unexpected(std::move(fault));
  }
  auto authority = parse_place(place, unsaid_port(scheme));
  if (!authority) {
    return std::unexpected(quoted(place) + ": " + authority.error() + " Write " +
                           std::string(prefix_of(scheme)) +
                           "127.0.0.1:" + (out.socks() ? "1080" : "3128") + ", for example.");
  }
  out.authority = std::move(*authority);
  return out;
}

ProxyUrl::Scheme take_http_scheme(std::string_view& rest) {
  if (!take_prefix(rest, prefix_of(ProxyUrl::Scheme::kHttps)).empty()) {
    return ProxyUrl::Scheme::kHttps;
  }
  take_prefix(rest, prefix_of(ProxyUrl::Scheme::kHttp));
  return ProxyUrl::Scheme::kHttp;
}

}  // namespace

std::expected<ProxyUrl, std::string> parse_proxy_url(std::string_view text) {
  const auto scheme = take_http_scheme(text);
  return parse_rest(scheme, text, "http://HOST:PORT or https://HOST:PORT");
}

std::expected<ProxyUrl, std::string> parse_parent_url(std::string_view text) {
  if (!take_prefix(text, "socks5://").empty()) {
    return std::unexpected(
        "socks5:// would have names looked up here and sent as addresses, which is not done; write "
        "socks5h://HOST:PORT, where the proxy looks them up");
  }
  const bool socks = !take_prefix(text, prefix_of(ProxyUrl::Scheme::kSocks5)).empty();
  const auto scheme = socks ? ProxyUrl::Scheme::kSocks5 : take_http_scheme(text);
  return parse_rest(scheme, text, "http://HOST:PORT, https://HOST:PORT or socks5h://HOST:PORT");
}

}  // namespace penstock::http
