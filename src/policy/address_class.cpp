#include "policy/address_class.h"

#include <iterator>
#include <utility>
#include <vector>

#include "base/check.h"
#include "policy/prefix_set.h"

namespace penstock::policy {
namespace {

constexpr IpPrefix v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, int length = 32) {
  return IpPrefix{IpAddress::from_v4(a, b, c, d), length};
}

constexpr IpPrefix v6(const std::array<uint16_t, 8>& groups, int length = 128) {
  IpPrefix out;
  out.address.v6 = true;
  out.length = length;
  for (size_t i = 0; i < groups.size(); ++i) {
    out.address.bytes[2 * i] = static_cast<uint8_t>(groups[i] >> 8);
    out.address.bytes[2 * i + 1] = static_cast<uint8_t>(groups[i]);
  }
  return out;
}

using enum AddressClass;

// The longest row over an address decides.
constexpr SpecialPrefix kSpecial[] = {
    // Instance metadata: one GET hands out the machine's cloud credentials.
    {v4(169, 254, 169, 254), kMetadata},  // AWS, GCP, Azure, OpenStack, DigitalOcean
    {v4(169, 254, 170, 2), kMetadata},    // AWS ECS task credentials
    {v4(169, 254, 170, 23), kMetadata},   // AWS EKS pod identity
    {v4(169, 254, 169, 253), kMetadata},  // AWS resolver: answers for the VPC's private zones
    {v4(169, 254, 0, 23), kMetadata},     // Tencent
    {v4(169, 254, 42, 42), kMetadata},    // Scaleway
    {v4(168, 63, 129, 16), kMetadata},    // Azure wire server; looks public and is not
    {v4(100, 100, 100, 200), kMetadata},  // Alibaba, inside CGNAT
    {v4(192, 0, 0, 192), kMetadata},      // Oracle, inside the IETF block
    {v6({0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254}), kMetadata},    // AWS
    {v6({0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23}), kMetadata},     // AWS EKS pod identity
    {v6({0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254}), kMetadata},     // GCP
    {v6({0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42}), kMetadata},      // Scaleway
    {v6({0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe}), kMetadata},  // OpenStack

    // RFC 791, RFC 1122: "this network". Linux connects 0.0.0.0 to its own loopback.
    {v4(0, 0, 0, 0, 8), kUnspecified},
    // RFC 1122: every service that trusts localhost; 127.0.0.2 as much as 127.0.0.1.
    {v4(127, 0, 0, 0, 8), kLoopback},
    // RFC 1918: the inside of the network that this proxy is the way out of.
    {v4(10, 0, 0, 0, 8), kPrivate},
    {v4(172, 16, 0, 0, 12), kPrivate},
    {v4(192, 168, 0, 0, 16), kPrivate},
    // RFC 3927: neighbours on the wire, node-local agents, metadata of clouds not listed above.
    {v4(169, 254, 0, 0, 16), kLinkLocal},
    // RFC 6598: overlays and managed clusters put pods and nodes here. The range most SSRF
    // filters forget.
    {v4(100, 64, 0, 0, 10), kCgnat},
    // RFC 2544: test beds, and the "fake IP" range of local DNS interceptors.
    {v4(198, 18, 0, 0, 15), kBenchmark},
    // RFC 5737: examples; where one of these answers, somebody has borrowed it for the inside.
    {v4(192, 0, 2, 0, 24), kDocumentation},
    {v4(198, 51, 100, 0, 24), kDocumentation},
    {v4(203, 0, 113, 0, 24), kDocumentation},
    // RFC 6890, RFC 7335 (DS-Lite), RFC 7723, RFC 8155: addresses of the carrier's own gear.
    {v4(192, 0, 0, 0, 24), kReserved},
    // RFC 7535, RFC 7450, RFC 7534: anycast (AS112, AMT). The nearest instance is usually the
    // operator's own machine, so an outsider would reach the inside through a public number.
    {v4(192, 31, 196, 0, 24), kReserved},
    {v4(192, 52, 193, 0, 24), kReserved},
    {v4(192, 175, 48, 0, 24), kReserved},
    // RFC 7526 (6to4 relay anycast, withdrawn): a relay unwraps to an address nobody judged.
    {v4(192, 88, 99, 0, 24), kReserved},
    // RFC 5771: one packet, many receivers.
    {v4(224, 0, 0, 0, 4), kMulticast},
    // RFC 8190, RFC 919: everybody on the link.
    {v4(255, 255, 255, 255), kBroadcast},
    // RFC 1112: "future use"; some kernels route it and some sites number hosts from it.
    {v4(240, 0, 0, 0, 4), kReserved},

    // RFC 4291: :: connects to loopback just as 0.0.0.0 does.
    {v6({}), kUnspecified},
    {v6({0, 0, 0, 0, 0, 0, 0, 1}), kLoopback},
    // Each of these carries an IPv4 address that a v4 filter never sees (embedded_v4 below).
    {v6({0, 0, 0, 0, 0, 0xffff, 0, 0}, 96), kEmbeddedV4},  // RFC 4291 mapped: the kernel dials v4
    {v6({0, 0, 0, 0, 0xffff, 0, 0, 0}, 96), kEmbeddedV4},  // RFC 2765 SIIT translated
    {v6({}, 96), kEmbeddedV4},                             // RFC 4291 compatible, deprecated
    {v6({0x64, 0xff9b, 0, 0, 0, 0, 0, 0}, 96), kEmbeddedV4},  // RFC 6052 NAT64
    {v6({0x64, 0xff9b, 1, 0, 0, 0, 0, 0}, 48), kEmbeddedV4},  // RFC 8215 NAT64, local use
    {v6({0x2002, 0, 0, 0, 0, 0, 0, 0}, 16), kEmbeddedV4},     // RFC 3056 6to4
    {v6({0x2001, 0, 0, 0, 0, 0, 0, 0}, 32), kEmbeddedV4},     // RFC 4380 Teredo
    // RFC 5180: test beds.
    {v6({0x2001, 2, 0, 0, 0, 0, 0, 0}, 48), kBenchmark},
    // RFC 2928: PCP and TURN anycast, AMT, AS112, ORCHID, DRIP: no host of the internet is here.
    {v6({0x2001, 0, 0, 0, 0, 0, 0, 0}, 23), kReserved},
    // RFC 7534: AS112 over IPv6, as 192.175.48.0/24 above.
    {v6({0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0}, 48), kReserved},
    // RFC 3849, RFC 9637: examples, borrowed for labs.
    {v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 0}, 32), kDocumentation},
    {v6({0x3fff, 0, 0, 0, 0, 0, 0, 0}, 20), kDocumentation},
    // RFC 4193: the private networks of IPv6.
    {v6({0xfc00, 0, 0, 0, 0, 0, 0, 0}, 7), kUniqueLocal},
    // RFC 4291: fe80 to febf; a filter on the string "fe80:" misses three quarters of them.
    {v6({0xfe80, 0, 0, 0, 0, 0, 0, 0}, 10), kLinkLocal},
    // RFC 3879: site-local, deprecated and still routed where it was deployed.
    {v6({0xfec0, 0, 0, 0, 0, 0, 0, 0}, 10), kPrivate},
    // RFC 4291: one packet, many receivers.
    {v6({0xff00, 0, 0, 0, 0, 0, 0, 0}, 8), kMulticast},
    // RFC 6666, RFC 9780: discard and dummy prefixes; an operator routes them where he likes.
    {v6({0x100, 0, 0, 0, 0, 0, 0, 0}, 64), kReserved},
    {v6({0x100, 0, 0, 1, 0, 0, 0, 0}, 64), kReserved},
    // RFC 9602: segment identifiers steer packets through the operator's routers.
    {v6({0x5f00, 0, 0, 0, 0, 0, 0, 0}, 16), kReserved},
};

// RFC 4291 section 2.4: IANA hands out global unicast from here only. Whatever else IPv6 turns
// into one day is closed until somebody has looked at it.
constexpr IpPrefix kGlobalUnicast = v6({0x2000, 0, 0, 0, 0, 0, 0, 0}, 3);

constexpr IpPrefix kMapped = v6({0, 0, 0, 0, 0, 0xffff, 0, 0}, 96);
constexpr IpPrefix kTranslated = v6({0, 0, 0, 0, 0xffff, 0, 0, 0}, 96);
constexpr IpPrefix kCompatible = v6({}, 96);
constexpr IpPrefix kNat64 = v6({0x64, 0xff9b, 0, 0, 0, 0, 0, 0}, 96);
constexpr IpPrefix kNat64Local = v6({0x64, 0xff9b, 1, 0, 0, 0, 0, 0}, 48);
constexpr IpPrefix k6to4 = v6({0x2002, 0, 0, 0, 0, 0, 0, 0}, 16);
constexpr IpPrefix kTeredo = v6({0x2001, 0, 0, 0, 0, 0, 0, 0}, 32);

// The rows for searching: every dial asks about several addresses, several times.
class Table {
 public:
  static const Table& get() {
    static const Table table;
    return table;
  }

  std::optional<AddressClass> find(const IpAddress& address) const {
    const uint32_t row = prefixes_.longest(address);
    if (row == PrefixSet::kNone) return std::nullopt;
    return classes_[row];
  }

 private:
  Table() {
    std::vector<IpPrefix> prefixes;
    for (const SpecialPrefix& row : kSpecial) prefixes.push_back(row.prefix);
    prefixes_ = PrefixSet(std::move(prefixes));
    PENSTOCK_CHECK(prefixes_.size() == std::size(kSpecial));  // no prefix has two classes
    classes_.resize(prefixes_.size());
    for (const SpecialPrefix& row : kSpecial) {
      classes_[prefixes_.number_of(row.prefix)] = row.address_class;
    }
  }

  PrefixSet prefixes_;
  std::vector<AddressClass> classes_;
};

// RFC 5214 section 6.1: an interface identifier of 0000:5efe or, with the u bit, 0200:5efe.
bool has_isatap_identifier(const IpAddress& address) {
  const auto& b = address.bytes;
  return address.v6 && (b[8] == 0x00 || b[8] == 0x02) && b[9] == 0x00 && b[10] == 0x5e &&
         b[11] == 0xfe;
}

}  // namespace

std::span<const SpecialPrefix> special_prefixes() {
  return kSpecial;
}

AddressClass classify(const IpAddress& address) {
  if (const auto known = Table::get().find(address)) return *known;
  if (!address.v6) return kPublic;
  if (!kGlobalUnicast.contains(address)) return kReserved;
  return has_isatap_identifier(address) ? kEmbeddedV4 : kPublic;
}

EmbeddedV4 embedded_v4(const IpAddress& address) {
  EmbeddedV4 out;
  if (!address.v6) return out;
  const auto& b = address.bytes;
  const auto add = [&](size_t at, uint8_t flip = 0) {
    PENSTOCK_CHECK(out.count < out.addresses.size());
    const auto octet = [&](size_t i) { return static_cast<uint8_t>(b[at + i] ^ flip); };
    out.addresses[out.count++] = IpAddress::from_v4(octet(0), octet(1), octet(2), octet(3));
  };
  if (kMapped.contains(address) || kTranslated.contains(address) || kNat64.contains(address)) {
    add(12);
  } else if (kCompatible.contains(address)) {
    // :: and ::1 are themselves and nothing else.
    const AddressClass known = classify(address);
    if (known != kUnspecified && known != kLoopback) add(12);
  } else if (kNat64Local.contains(address)) {
    // The translator's prefix length is the site's secret (RFC 6052 section 2.2). /96 is what
    // everybody uses; the /64 layout must be judged too, because 10.0.0.8 written that way reads
    // as 8.0.0.0 in the /96 one. /48 and /56 layouts read as 0.0.0.0, which nothing opens.
    add(12);
    if (b[8] == 0 && b[13] == 0 && b[14] == 0 && b[15] == 0) add(9);
  } else if (k6to4.contains(address)) {
    add(2);
  } else if (kTeredo.contains(address)) {
    add(4);
    add(12, 0xff);  // RFC 4380 section 4: the client's address is stored with every bit flipped
  }
  if (has_isatap_identifier(address)) add(12);
  return out;
}

std::optional<IpAddress> mapped_v4(const IpAddress& address) {
  if (!kMapped.contains(address)) return std::nullopt;
  return *embedded_v4(address).begin();
}

std::string_view class_word(AddressClass address_class) {
  switch (address_class) {
    case kPublic: return "public";
    case kUnspecified: return "unspecified";
    case kLoopback: return "loopback";
    case kPrivate: return "private";
    case kLinkLocal: return "link-local";
    case kMetadata: return "metadata";
    case kCgnat: return "cgnat";
    case kBenchmark: return "benchmark";
    case kDocumentation: return "documentation";
    case kMulticast: return "multicast";
    case kBroadcast: return "broadcast";
    case kReserved: return "reserved";
    case kUniqueLocal: return "unique-local";
    case kEmbeddedV4: return "embedded-v4";
    case kOwn: return "own";
  }
  PENSTOCK_CHECK(false);
}

}  // namespace penstock::policy
