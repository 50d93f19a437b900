// The binary header: section 2.2 of the specification.
#include <algorithm>
#include <array>
#include <utility>

#include "announce/crc32c.h"
#include "announce/header.h"
#include "announce/versions.h"
#include "base/byte_fields.h"
#include "base/bytes.h"
#include "base/check.h"

namespace penstock::announce {
namespace {

using Bytes = std::span<const uint8_t>;

constexpr size_t kFixedBytes = 16;  // start, version and command, family, length
constexpr size_t kUniqueIdBytesMax = 128;
constexpr size_t kNameBytesMax = 255;
constexpr size_t kChecksumBytes = 4;

enum Command : uint8_t { kLocal = 0x20, kProxy = 0x21 };                    // with the version
enum Family : uint8_t { kUnspecified = 0x00, kTcp4 = 0x11, kTcp6 = 0x21 };  // with the transport
enum Type : size_t {
  kAlpn = 0x01,
  kAuthority = 0x02,
  kChecksum = 0x03,
  kUniqueId = 0x05,
  kTls = 0x20,
  kTlsVersion = 0x21,
  kTlsName = 0x22,
};
constexpr uint8_t kClientUsesTls = 1;  // the first bit of PP2_TYPE_SSL

// A TLV that we read may stand there once: of two, another reader might take the other.
bool note(std::string_view& out, Bytes value, size_t most) {
  if (!out.empty() || value.size() > most) return false;
  out = text_of(value);
  return true;
}

bool read_tls(Bytes value, Notes& notes) {
  ByteFields fields(value);
  const size_t client = fields.number(1);
  const bool verified = fields.number(4) == 0;
  if (!fields.ok()) return false;
  if ((client & kClientUsesTls) == 0) return true;
  while (!fields.empty()) {
    const size_t type = fields.number(1);
    const Bytes part = fields.vector(2);
    if (!fields.ok()) return false;
    if (type == kTlsVersion && !note(notes.tls_version, part, kNameBytesMax)) return false;
    // Of a certificate that failed to verify, anybody could have written the name.
    if (type == kTlsName && verified && !note(notes.tls_name, part, kNameBytesMax)) return false;
  }
  return true;
}

// The checksum is over the whole header, with zeros where it stands itself.
bool right_checksum(Bytes header, Bytes checksum) {
  if (checksum.size() != kChecksumBytes) return false;
  const auto at = static_cast<size_t>(checksum.data() - header.data());
  constexpr std::array<uint8_t, kChecksumBytes> kZeros{};
  Crc32c crc;
  crc.add(header.first(at));
  crc.add(kZeros);
  crc.add(header.subspan(at + kChecksumBytes));
  return ByteFields(checksum).number(kChecksumBytes) == crc.value();
}

bool read_notes(Bytes header, ByteFields fields, Notes& notes) {
  bool checked = false;
  bool tls = false;
  while (!fields.empty()) {
    const size_t type = fields.number(1);
    const Bytes value = fields.vector(2);
    if (!fields.ok()) return false;
    bool good = true;
    switch (type) {
      case kAlpn: good = note(notes.alpn, value, kNameBytesMax); break;
      case kAuthority: good = note(notes.authority, value, kNameBytesMax); break;
      case kUniqueId: good = note(notes.unique_id, value, kUniqueIdBytesMax); break;
      case kChecksum: good = !std::exchange(checked, true) && right_checksum(header, value); break;
      case kTls: good = !std::exchange(tls, true) && read_tls(value, notes); break;
      default: break;
    }
    if (!good) return false;
  }
  return true;
}

Endpoint endpoint(Bytes address, size_t port) {
  Endpoint out;
  out.address.v6 = address.size() == 16;
  std::ranges::copy(address, out.address.bytes.begin());
  return {plain(out.address), static_cast<uint16_t>(port)};
}

void append_number(std::string& out, size_t value, size_t width) {
  while (width-- > 0) out += static_cast<char>(value >> (8 * width));
}

void append_value(std::string& out, Type type, std::string_view value) {
  append_number(out, type, 1);
  append_number(out, value.size(), 2);
  out += value;
}

void append_address(std::string& out, const IpAddress& address) {
  out += text_of(std::span(address.bytes).first(address.v6 ? 16 : 4));
}

}  // namespace

Reading<Header> read_v2(Bytes received) {
  if (received.size() > 12 && received[12] != kLocal && received[12] != kProxy) {
    return fail(Code::kBadAnnouncement);
  }
  if (received.size() < kFixedBytes) return std::nullopt;
  const uint8_t command = received[12];
  const uint8_t family = received[13];
  const size_t length = kFixedBytes + (size_t{received[14]} << 8 | received[15]);
  if (length > kHeaderBytesMax) return fail(Code::kBadAnnouncement);
  const bool local = command == kLocal || family == kUnspecified;
  if (!local && family != kTcp4 && family != kTcp6) return fail(Code::kBadAnnouncement);
  if (received.size() < length) return std::nullopt;

  Header out{.local = local, .source = {}, .destination = {}, .notes = {}};
  const Bytes header = received.first(length);
  // What a sender says that speaks for itself is skipped, unread.
  if (local) return Taken<Header>{out, length};
  ByteFields fields(header.subspan(kFixedBytes));
  const size_t address_bytes = family == kTcp4 ? 4 : 16;
  const Bytes source = fields.take(address_bytes);
  const Bytes destination = fields.take(address_bytes);
  const size_t source_port = fields.number(2);
  const size_t destination_port = fields.number(2);
  if (!fields.ok() || !read_notes(header, fields, out.notes)) {
    return fail(Code::kBadAnnouncement);
  }
  out.source = endpoint(source, source_port);
  out.destination = endpoint(destination, destination_port);
  return Taken<Header>{out, length};
}

std::string write_v2(const Announcement& announcement) {
  PENSTOCK_CHECK(announcement.authority.size() <= kNameBytesMax);
  PENSTOCK_CHECK(announcement.unique_id.size() <= kUniqueIdBytesMax);
  const auto [source, destination] = in_one_family(announcement);
  std::string out(kV2Start);
  append_number(out, kProxy, 1);
  append_number(out, source.address.v6 ? kTcp6 : kTcp4, 1);
  append_number(out, 0, 2);  // the length, once it is known
  append_address(out, source.address);
  append_address(out, destination.address);
  append_number(out, source.port, 2);
  append_number(out, destination.port, 2);
  if (!announcement.authority.empty()) append_value(out, kAuthority, announcement.authority);
  if (!announcement.unique_id.empty()) append_value(out, kUniqueId, announcement.unique_id);
  append_value(out, kChecksum, std::string(kChecksumBytes, '\0'));
  std::string length, checksum;
  append_number(length, out.size() - kFixedBytes, 2);
  out.replace(kFixedBytes - 2, 2, length);
  Crc32c crc;
  crc.add(bytes_of(out));
  append_number(checksum, crc.value(), kChecksumBytes);
  return out.replace(out.size() - kChecksumBytes, kChecksumBytes, checksum);
}

}  // namespace penstock::announce
