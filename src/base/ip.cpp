#include "base/ip.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>
#include <iterator>

#include "base/ascii.h"

namespace penstock {
namespace {

// Longest text of an address ("ffff:...:255.255.255.255") plus the terminating NUL.
constexpr size_t kTextBytes = INET6_ADDRSTRLEN;

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  char buffer[kTextBytes];
  if (text.empty() || text.size() >= sizeof(buffer)) return std::nullopt;
  if (text.find('\0') != text.npos) return std::nullopt;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  IpAddress out;
  // inet_pton is strict where inet_aton is not: no hex, no octal, no short forms, no zones.
  if (inet_pton(AF_INET, buffer, out.bytes.data()) == 1) return out;
  if (inet_pton(AF_INET6, buffer, out.bytes.data()) != 1) return std::nullopt;
  out.v6 = true;
  return out;
}

std::string IpAddress::text() const {
  char buffer[kTextBytes];
  if (v6) {
    inet_ntop(AF_INET6, bytes.data(), buffer, sizeof(buffer));
    return buffer;
  }
  // inet_ntop() prints IPv4 by way of sprintf(), 20 times slower; a log line has two addresses.
  char* at = buffer;
  for (size_t i = 0; i < 4; ++i) {
    if (i > 0) *at++ = '.';
    at = std::to_chars(at, std::end(buffer), bytes[i]).ptr;
  }
  return {buffer, at};
}

std::optional<IpPrefix> IpPrefix::parse(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  IpPrefix out{*address, address->bits()};
  if (slash != text.npos) {
    const auto length =
        parse_decimal(text.substr(slash + 1), static_cast<uint64_t>(address->bits()));
    if (!length) return std::nullopt;
    out.length = static_cast<int>(*length);
  }
  for (int bit = out.length; bit < address->bits(); ++bit) {
    if (address->bytes[static_cast<size_t>(bit / 8)] & (0x80 >> (bit % 8))) return std::nullopt;
  }
  return out;
}

bool IpPrefix::contains(const IpAddress& candidate) const {
  if (candidate.v6 != address.v6) return false;
  const auto whole = static_cast<size_t>(length / 8);
  if (std::memcmp(candidate.bytes.data(), address.bytes.data(), whole) != 0) return false;
  const int rest = length % 8;
  if (rest == 0) return true;
  const int mask = 0xff << (8 - rest);
  return ((candidate.bytes[whole] ^ address.bytes[whole]) & mask) == 0;
}

std::string IpPrefix::text() const {
  return address.text() + "/" + std::to_string(length);
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == text.npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto address = IpAddress::parse(host);
  const auto port = parse_decimal(text.substr(colon + 1), 65535);
  if (!address || !port || address->v6 != bracketed) return std::nullopt;
  return Endpoint{*address, static_cast<uint16_t>(*port)};
}

std::string Endpoint::text() const {
  const std::string port_text = ":" + std::to_string(port);
  return address.v6 ? "[" + address.text() + "]" + port_text : address.text() + port_text;
}

}  // namespace penstock

// SAFETY: memcpy into two integers of exactly the array's size.
size_t std::hash<penstock::IpAddress>::operator()(
    const penstock::IpAddress& address) const noexcept {
  uint64_t halves[2];
  static_assert(sizeof(halves) == sizeof(address.bytes));
  std::memcpy(halves, address.bytes.data(), sizeof(halves));
  uint64_t mixed =
      halves[0] * 0x9e3779b97f4a7c15ull ^ (halves[1] + address.v6) * 0xc2b2ae3d27d4eb4full;
  return mixed ^ mixed >> 29;
}

size_t std::hash<penstock::Endpoint>::operator()(
    const penstock::Endpoint& endpoint) const noexcept {
  return std::hash<penstock::IpAddress>()(endpoint.address) ^ endpoint.port * 0x9e3779b97f4a7c15ull;
}
