// DNS messages (RFC 1035): the question we send and the only reader of what servers send back.
// A reply is a stranger's: the reader is bounded in records, names, jumps and CNAMEs, and takes
// no record whose owner is not the name that was asked or its alias within the same reply (a
// record for another name is how a cache is poisoned: CVE-2021-3672 and many before it).
// Pure functions, any thread. Cost: linear in the reply, times the length of its CNAME chain.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/ip.h"

namespace penstock::dns {

enum class RecordType : uint16_t { kA = 1, kAaaa = 28 };

inline constexpr size_t kNameMax = 253;  // as text, without the trailing dot
inline constexpr size_t kAddressesMax = 32;
inline constexpr size_t kChainMax = 16;
// Answers over UDP up to the size that crosses every path unfragmented (DNS Flag Day 2020).
inline constexpr uint16_t kUdpPayload = 1232;
inline constexpr uint32_t kNoTtl = UINT32_MAX;

// A recursive query for the absolute `name`, with EDNS. `name` is canonical
// (http::canonical_name) and at most kNameMax long. The OPT record stands last, in 11 bytes:
// c-ares cuts exactly that off when a server does not know EDNS.
std::vector<uint8_t> encode_query(std::string_view name, RecordType type, uint16_t id);

enum class Finding : uint8_t { kAddresses, kNoSuchName, kNoAddress, kFailed };

struct Reply {
  Finding finding = Finding::kFailed;  // kFailed: malformed, or the server says it failed
  std::vector<IpAddress> addresses;    // of kAddresses: 1 to kAddressesMax, each once
  // Seconds: the least along the CNAME chain. Without addresses: what the SOA record allows
  // (RFC 2308 section 5), kNoTtl if there is none.
  uint32_t ttl = kNoTtl;
};

Reply read_reply(std::span<const uint8_t> message, std::string_view name, RecordType type);

}  // namespace penstock::dns
