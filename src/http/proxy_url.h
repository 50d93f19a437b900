// Another proxy, as people write it: http://user:password@host:port, or with https:// or
// socks5h://. Pure.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "http/authority.h"

namespace penstock::http {

struct ProxyUrl {
  enum class Scheme : uint8_t { kHttp, kHttps, kSocks5 };

  Authority authority;
  Scheme scheme = Scheme::kHttp;
  std::string credentials;  // "user:password", to be sent and never to be shown

  bool secure() const { return scheme == Scheme::kHttps; }  // TLS to the proxy
  bool socks() const { return scheme == Scheme::kSocks5; }

  std::string text() const;  // without the credentials
  // The value of Proxy-Authorization (RFC 7617); empty: none.
  std::string authorization() const;
};

// http:// may be left out, and so may a port: 80 is meant, or 443 with https://. The error is a
// sentence that says what was found and what would be right, and holds no password.
std::expected<ProxyUrl, std::string> parse_proxy_url(std::string_view text);

// The same, and socks5h:// (without a port: 1080). Its names are the proxy's to look up, as HTTP's
// are; socks5://, by which curl and others mean names that are looked up on this side, is refused.
std::expected<ProxyUrl, std::string> parse_parent_url(std::string_view text);

// "host" or "host:port"; the error is a sentence.
std::expected<Authority, std::string> parse_place(std::string_view text, uint16_t unsaid_port);

// Cuts `prefix`, compared without case, off the front; what was cut.
std::string_view take_prefix(std::string_view& text, std::string_view prefix);

inline constexpr uint16_t kHttpPort = 80;
inline constexpr uint16_t kHttpsPort = 443;
inline constexpr uint16_t kSocksPort = 1080;

}  // namespace penstock::http
