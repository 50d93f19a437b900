#include "http/proxy_url.h"

#include <algorithm>
#include <optional>

#include "base/ascii.h"
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

// RFC 4648 section 4.
std::string base64(std::string_view text) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < text.size(); i += 3) {
    uint32_t group = 0;
    const size_t bytes = std::min<size_t>(3, text.size() - i);
    for (size_t j = 0; j < 3; ++j) {
      group = group << 8 | (j < bytes ? static_cast<uint8_t>(text[i + j]) : 0u);
    }
    for (size_t digit = 0; digit < 4; ++digit) {
      out += digit <= bytes ? kAlphabet[group >> (18 - 6 * digit) & 63] : '=';
    }
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
  return (secure ? "https://" : "http://") + authority.text();
}

std::string ProxyUrl::authorization() const {
  return credentials.empty() ? "" : "Basic " + base64(credentials);
}

std::expected<ProxyUrl, std::string> parse_proxy_url(std::string_view text) {
  ProxyUrl out;
  std::string_view rest = text;
  out.secure = !take_prefix(rest, "https://").empty();
  if (!out.secure) take_prefix(rest, "http://");
  if (rest.ends_with('/')) rest.remove_suffix(1);
  // A password is not repeated, whatever is wrong with the rest.
  const size_t at = rest.rfind('@');
  const std::string_view place = at == rest.npos ? rest : rest.substr(at + 1);
  if (place.contains("://")) {
    return std::unexpected(
        quoted(place) +
        " is no proxy that is spoken here; write http://HOST:PORT or https://HOST:PORT");
  }
  if (at != rest.npos) {
    auto credentials = percent_decoded(rest.substr(0, at));
    if (!credentials ||
        !std::ranges::none_of(*credentials, [](char c) { return is_control(c) || c == '\t'; })) {
      return std::unexpected("the user and password of the proxy hold a bad %XX");
    }
    out.credentials = std::move(*credentials);
    if (!out.credentials.contains(':')) out.credentials += ':';
  }
  auto authority = parse_place(place, out.secure ? kHttpsPort : kHttpPort);
  if (!authority) {
    return std::unexpected(quoted(place) + ": " + authority.error() +
                           " Write http://127.0.0.1:3128, for example.");
  }
  out.authority = std::move(*authority);
  return out;
}

}  // namespace penstock::http
