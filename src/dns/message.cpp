#include "dns/message.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>

#include "base/ascii.h"
#include "base/check.h"

namespace penstock::dns {
namespace {

using Bytes = std::span<const uint8_t>;

constexpr size_t kHeaderSize = 12;
constexpr uint16_t kInternet = 1;
constexpr uint16_t kCname = 5;
constexpr uint16_t kSoa = 6;
constexpr uint16_t kOpt = 41;
constexpr uint8_t kPointer = 0xc0;
// More than any server needs; pointer upon pointer adds no byte to the name and would be free
// work for whoever sends it.
constexpr int kJumpsMax = 32;
// Records that could matter; a reply that has more of them is read up to here.
constexpr size_t kRecordsMax = 256;

uint16_t read16(Bytes bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}
uint32_t read32(Bytes bytes, size_t at) {
  return uint32_t{read16(bytes, at)} << 16 | read16(bytes, at + 2);
}

void append16(std::vector<uint8_t>& out, uint16_t value) {
  out.push_back(static_cast<uint8_t>(value >> 8));
  out.push_back(static_cast<uint8_t>(value));
}

// A name in wire form, lower case, uncompressed. Compared in this form, where a dot inside a
// label is a byte like any other and cannot pass for a separator.
struct WireName {
  std::array<uint8_t, 255> bytes;
  size_t size = 0;

  bool append(Bytes more) {
    if (more.size() > bytes.size() - size) return false;
    for (const uint8_t byte : more) {
      bytes[size++] = static_cast<uint8_t>(to_lower(static_cast<char>(byte)));
    }
    return true;
  }
  friend bool operator==(const WireName& a, const WireName& b) {
    return std::equal(a.bytes.begin(), a.bytes.begin() + a.size, b.bytes.begin(),
                      b.bytes.begin() + b.size);
  }
};

WireName wire_name(std::string_view name) {
  WireName out;
  while (!name.empty()) {
    const std::string_view label = name.substr(0, name.find('.'));
    name.remove_prefix(std::min(name.size(), label.size() + 1));
    PENSTOCK_CHECK(!label.empty() && label.size() <= 63 && out.size + label.size() + 2 <= 255);
    out.bytes[out.size++] = static_cast<uint8_t>(label.size());
    for (const char c : label) out.bytes[out.size++] = static_cast<uint8_t>(to_lower(c));
  }
  out.bytes[out.size++] = 0;
  return out;
}

// Reads the name at `at` into `out` (null: skips it) and returns where it ends.
std::optional<size_t> read_name(Bytes message, size_t at, WireName* out) {
  std::optional<size_t> end;
  size_t lowest = at;
  int jumps = 0;
  if (out) out->size = 0;
  while (at < message.size()) {
    const uint8_t length = message[at];
    if ((length & kPointer) == kPointer) {
      if (at + 2 > message.size()) return std::nullopt;
      if (!end) end = at + 2;
      if (!out) return end;
      const size_t target = read16(message, at) & 0x3fff;
      // Only backwards, and each time further: a loop cannot be written.
      if (target >= lowest || ++jumps > kJumpsMax) return std::nullopt;
      at = lowest = target;
      continue;
    }
    if ((length & kPointer) != 0 || at + 1 + length > message.size()) return std::nullopt;
    if (out && !out->append(message.subspan(at, size_t{1} + length))) return std::nullopt;
    at += size_t{1} + length;
    if (length == 0) return end ? end : at;
  }
  return std::nullopt;
}

struct Record {
  size_t owner;  // offsets into the message
  size_t data;
  size_t size;
  uint16_t type;
  uint16_t network;
  uint32_t ttl;
};

// Reads the record at `at` and moves `at` behind it.
std::optional<Record> read_record(Bytes message, size_t& at) {
  const auto fixed = read_name(message, at, nullptr);
  if (!fixed || message.size() - *fixed < 10) return std::nullopt;
  Record record{.owner = at,
                .data = *fixed + 10,
                .size = read16(message, *fixed + 8),
                .type = read16(message, *fixed),
                .network = read16(message, *fixed + 2),
                .ttl = read32(message, *fixed + 4)};
  if (message.size() - record.data < record.size) return std::nullopt;
  // RFC 2181 section 8: a TTL with its top bit set is zero.
  if (record.ttl >> 31) record.ttl = 0;
  at = record.data + record.size;
  return record;
}

struct Answers {
  std::array<Record, kRecordsMax> records;
  size_t count = 0;
};

// The answer section: the CNAMEs and the records of the asked type. False: malformed.
bool read_answers(Bytes message, size_t& at, RecordType type, Answers& out) {
  const uint16_t announced = read16(message, 6);
  for (uint16_t i = 0; i < announced; ++i) {
    const auto record = read_record(message, at);
    if (!record) return false;
    if (record->network != kInternet || out.count == kRecordsMax) continue;
    if (record->type != kCname && record->type != static_cast<uint16_t>(type)) continue;
    out.records[out.count++] = *record;
  }
  return true;
}

// How long the absence may be remembered: the least of the SOA record's TTL and its MINIMUM.
// Nullopt: malformed.
std::optional<uint32_t> read_absence(Bytes message, size_t at) {
  uint32_t ttl = kNoTtl;
  const uint16_t announced = read16(message, 8);
  for (uint16_t i = 0; i < announced; ++i) {
    const auto record = read_record(message, at);
    if (!record) return std::nullopt;
    if (record->type != kSoa || record->network != kInternet || record->size < 4) continue;
    ttl = std::min({ttl, record->ttl, read32(message, record->data + record->size - 4)});
  }
  return ttl;
}

IpAddress address_of(Bytes data) {
  IpAddress address;
  address.v6 = data.size() == 16;
  std::copy(data.begin(), data.end(), address.bytes.begin());
  return address;
}

// Collects the addresses whose owner is `name`. False: malformed.
bool collect(Bytes message, const Answers& answers, RecordType type, const WireName& name,
             Reply& reply) {
  const size_t width = type == RecordType::kA ? 4 : 16;
  WireName owner;
  for (size_t i = 0; i < answers.count; ++i) {
    const Record& record = answers.records[i];
    if (record.type != static_cast<uint16_t>(type)) continue;
    if (!read_name(message, record.owner, &owner)) return false;
    if (owner != name) continue;
    if (record.size != width) return false;
    reply.ttl = std::min(reply.ttl, record.ttl);
    const IpAddress address = address_of(message.subspan(record.data, width));
    if (reply.addresses.size() == kAddressesMax) break;
    if (std::ranges::find(reply.addresses, address) == reply.addresses.end()) {
      reply.addresses.push_back(address);
    }
  }
  return true;
}

enum class Step : uint8_t { kFollowed, kEnd, kMalformed };

// Replaces `name` by what its CNAME says.
Step follow(Bytes message, const Answers& answers, WireName& name, Reply& reply) {
  WireName owner;
  for (size_t i = 0; i < answers.count; ++i) {
    const Record& record = answers.records[i];
    if (record.type != kCname) continue;
    if (!read_name(message, record.owner, &owner)) return Step::kMalformed;
    if (owner != name) continue;
    if (read_name(message, record.data, &name) != record.data + record.size) {
      return Step::kMalformed;
    }
    reply.ttl = std::min(reply.ttl, record.ttl);
    return Step::kFollowed;
  }
  return Step::kEnd;
}

// Addresses of `name`, over CNAMEs of the same reply. False: malformed, or a chain without end.
bool walk(Bytes message, const Answers& answers, RecordType type, WireName name, Reply& reply) {
  for (size_t links = 0; links <= kChainMax; ++links) {
    if (!collect(message, answers, type, name, reply)) return false;
    if (!reply.addresses.empty()) return true;
    switch (follow(message, answers, name, reply)) {
      case Step::kFollowed: break;
      case Step::kEnd: return true;
      case Step::kMalformed: return false;
    }
  }
  return false;
}

}  // namespace

std::vector<uint8_t> encode_query(std::string_view name, RecordType type, uint16_t id) {
  PENSTOCK_CHECK(!name.empty() && name.size() <= kNameMax);
  const WireName wire = wire_name(name);
  std::vector<uint8_t> out;
  out.reserve(kHeaderSize + wire.size + 4 + 11);
  append16(out, id);
  append16(out, 0x0100);  // a query, recursion desired
  for (const uint16_t count : std::initializer_list<uint16_t>{1, 0, 0, 1}) append16(out, count);
  out.insert(out.end(), wire.bytes.begin(), wire.bytes.begin() + wire.size);
  append16(out, static_cast<uint16_t>(type));
  append16(out, kInternet);
  out.push_back(0);  // OPT, RFC 6891 section 6.1.2
  append16(out, kOpt);
  append16(out, kUdpPayload);
  for (int i = 0; i < 3; ++i) append16(out, 0);
  return out;
}

Reply read_reply(Bytes message, std::string_view name, RecordType type) {
  if (message.size() < kHeaderSize) return {};
  const uint16_t flags = read16(message, 2);
  const bool reply_to_query = (flags & 0xf800) == 0x8000;
  const bool truncated = (flags & 0x0200) != 0;
  const int rcode = flags & 0xf;
  if (!reply_to_query || truncated || read16(message, 4) != 1) return {};
  if (rcode != 0 && rcode != 3) return {};

  WireName asked;
  const auto question = read_name(message, kHeaderSize, &asked);
  if (!question || message.size() - *question < 4) return {};
  if (asked != wire_name(name) || read16(message, *question) != static_cast<uint16_t>(type) ||
      read16(message, *question + 2) != kInternet) {
    return {};
  }

  size_t at = *question + 4;
  Answers answers;
  Reply reply;
  if (!read_answers(message, at, type, answers)) return {};
  // NXDOMAIN speaks of the end of the chain; addresses beside it would contradict it.
  if (rcode == 0 && !walk(message, answers, type, asked, reply)) return {};
  if (!reply.addresses.empty()) {
    reply.finding = Finding::kAddresses;
    return reply;
  }
  const auto absence = read_absence(message, at);
  if (!absence) return {};
  reply.finding = rcode == 3 ? Finding::kNoSuchName : Finding::kNoAddress;
  reply.ttl = std::min(reply.ttl, *absence);
  return reply;
}

}  // namespace penstock::dns
