// IP addresses, prefixes and endpoints as plain values: strict to parse, canonical to print,
// cheap to compare and hash.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace penstock {

struct IpAddress {
  // Network order. IPv4 uses the first four bytes and leaves the rest zero. There is no implicit
  // v4-mapped form: ::ffff:1.2.3.4 stays an IPv6 address until somebody asks what hides in it.
  std::array<uint8_t, 16> bytes{};
  bool v6 = false;

  static constexpr IpAddress from_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
    IpAddress out;
    out.bytes = {a, b, c, d};
    return out;
  }
  // Dotted quad without leading zeros, or RFC 4291 text without brackets and zone.
  static std::optional<IpAddress> parse(std::string_view text);

  int bits() const { return v6 ? 128 : 32; }
  uint32_t v4_value() const {  // host order; v4 only
    return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
  }
  std::string text() const;  // RFC 5952, no brackets

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
};

struct IpPrefix {
  IpAddress address;  // bits beyond `length` are zero
  int length = 0;

  // "10.0.0.0/8", "fd00::/8", or a bare address as a full-length prefix. Host bits must be zero.
  static std::optional<IpPrefix> parse(std::string_view text);

  bool contains(const IpAddress& candidate) const;
  std::string text() const;

  friend auto operator<=>(const IpPrefix&, const IpPrefix&) = default;
};

struct Endpoint {
  IpAddress address;
  uint16_t port = 0;

  // "127.0.0.1:3128" or "[::1]:3128"; port 0 is accepted (listeners may ask for any port).
  static std::optional<Endpoint> parse(std::string_view text);

  std::string text() const;  // with brackets around IPv6

  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

}  // namespace penstock

template <>
struct std::hash<penstock::IpAddress> {
  size_t operator()(const penstock::IpAddress& address) const noexcept;
};
template <>
struct std::hash<penstock::Endpoint> {
  size_t operator()(const penstock::Endpoint& endpoint) const noexcept;
};
