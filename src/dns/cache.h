// What name servers said, for as long as they allowed, and for a little longer when they fail
// (RFC 8767). Absence is remembered too (RFC 2308), and so is failure (RFC 9520): a name whose
// servers are down is not asked for again by every client that retries.
//
// Pure: time comes in as an Instant. Thread: one.
// Limits: `entries` names, each of at most kNameMax bytes with kAddressesMax addresses per
// family; the least recently used one goes first. Zero entries: nothing is remembered.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/ip.h"
#include "base/list.h"
#include "base/time.h"
#include "dns/message.h"
#include "dns/name_hash.h"

namespace penstock::dns {

enum class Knowledge : uint8_t {
  kUnknown,   // has to be asked, or has been and is awaited
  kNotAsked,  // the configuration does not want this family
  kAddresses,
  kNoSuchName,
  kNoAddress,
  kFailed,
};

// What is known about one family of a name.
struct Outcome {
  Knowledge knowledge = Knowledge::kUnknown;
  Code failure = Code::kDnsFailed;  // of kFailed: kDnsFailed, kDnsTimeout or kDnsBusy
  bool stale = false;
  std::vector<IpAddress> addresses;
};

struct Lifetimes {
  Duration min_ttl;
  Duration max_ttl;  // zero: an answer is not kept
  Duration negative_ttl;
  Duration stale;
};

class Cache {
 public:
  Cache(size_t entries, const Lifetimes& lifetimes) : entries_(entries), lifetimes_(lifetimes) {}

  // What is still valid: kUnknown if nothing is.
  Outcome find(std::string_view name, RecordType type, Instant now);
  // Expired addresses that may stand in because the servers failed; kUnknown if there are none.
  Outcome find_stale(std::string_view name, RecordType type, Instant now) const;

  // The reply is not kFailed.
  void store(std::string_view name, RecordType type, const Reply& reply, Instant now);
  // Keeps expired addresses: they are what find_stale() is for.
  void store_failure(std::string_view name, RecordType type, Code failure, Instant now);

  void clear();
  // For what is stored from now on; a smaller number of entries applies at once.
  void resize(size_t entries, const Lifetimes& lifetimes);
  size_t size() const { return names_.size(); }

  // How long a failure is remembered if nothing stands in for the answer: RFC 9520 section 3.2
  // asks for at least one second.
  static constexpr Duration kFailureTtl = std::chrono::seconds(1);

 private:
  struct Half {
    Knowledge knowledge = Knowledge::kUnknown;
    Code failure = Code::kDnsFailed;
    Instant expires = Instant::min();
    Instant failed_until = Instant::min();
    // 4 or 16 bytes per address: three IPv4 addresses fit without an allocation.
    std::string packed;
  };
  struct Entry : ListNode {
    const std::string* name = nullptr;
    std::array<Half, 2> halves;  // A, AAAA
  };

  Half* touch(std::string_view name, RecordType type);
  bool may_stand_in(const Half& half, Instant now) const;
  void evict();

  size_t entries_;
  Lifetimes lifetimes_;
  std::unordered_map<std::string, Entry, NameHash, std::equal_to<>> names_;
  List<Entry> by_use_;  // least recently used first
};

}  // namespace penstock::dns
