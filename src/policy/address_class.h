// What kind of address this is, and whether it is reachable by a rule that does not name it.
// Source: the IANA special-purpose address registries (RFC 6890) and what clouds serve behind
// addresses that the registries do not list.
// Thread: any; pure functions over constant tables.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/ip.h"

namespace penstock::policy {

enum class AddressClass : uint8_t {
  kPublic,
  kUnspecified,
  kLoopback,
  kPrivate,
  kLinkLocal,
  kMetadata,
  kCgnat,
  kBenchmark,
  kDocumentation,
  kMulticast,
  kBroadcast,
  kReserved,
  kUniqueLocal,
  kEmbeddedV4,  // an IPv6 address that carries an IPv4 one (mapped, NAT64, 6to4, Teredo, ...)
  kOwn,         // public, but an interface of this very machine
};

// By address alone; never kOwn.
AddressClass classify(const IpAddress& address);
std::string_view class_word(AddressClass address_class);

// One row of the table behind classify(). The longest prefix over an address decides.
struct SpecialPrefix {
  IpPrefix prefix;
  AddressClass address_class;
};
std::span<const SpecialPrefix> special_prefixes();

// Every IPv4 address that a packet to an IPv6 address may end at. Teredo carries two (server and
// client), and an ISATAP interface identifier can stand behind any prefix.
struct EmbeddedV4 {
  std::array<IpAddress, 3> addresses;
  size_t count = 0;

  const IpAddress* begin() const { return addresses.data(); }
  const IpAddress* end() const { return addresses.data() + count; }
};
EmbeddedV4 embedded_v4(const IpAddress& address);

// The a.b.c.d of ::ffff:a.b.c.d, which is how a v6 socket spells a v4 peer.
std::optional<IpAddress> mapped_v4(const IpAddress& address);

}  // namespace penstock::policy
