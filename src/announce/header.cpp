#include "announce/header.h"

#include <algorithm>

#include "announce/versions.h"
#include "base/bytes.h"

namespace penstock::announce {
namespace {

// The first 12 bytes of ::ffff:0:0/96 (RFC 4291 section 2.5.5.2).
constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

IpAddress mapped(const IpAddress& address) {
  if (address.v6) return address;
  IpAddress out;
  out.v6 = true;
  std::ranges::copy(kMapped, out.bytes.begin());
  std::copy_n(address.bytes.begin(), 4, out.bytes.begin() + kMapped.size());
  return out;
}

}  // namespace

Reading<Header> read_header(std::span<const uint8_t> received) {
  for (const auto& [start, read] : {std::pair(kV1Start, &read_v1), std::pair(kV2Start, &read_v2)}) {
    const std::string_view begun = text_of(received.first(std::min(received.size(), start.size())));
    if (!start.starts_with(begun)) continue;
    if (begun.size() < start.size()) return std::nullopt;
    return read(received);
  }
  return fail(Code::kNoAnnouncement);
}

IpAddress plain(const IpAddress& address) {
  if (!address.v6 || !std::ranges::equal(kMapped, std::span(address.bytes).first<12>())) {
    return address;
  }
  const auto& bytes = address.bytes;
  return IpAddress::from_v4(bytes[12], bytes[13], bytes[14], bytes[15]);
}

std::pair<Endpoint, Endpoint> in_one_family(const Announcement& announcement) {
  Endpoint source = announcement.source;
  Endpoint destination = announcement.destination;
  if (source.address.v6 != destination.address.v6) {
    source.address = mapped(source.address);
    destination.address = mapped(destination.address);
  }
  return {source, destination};
}

}  // namespace penstock::announce
