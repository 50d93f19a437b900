// A set of IP prefixes that finds every member covering an address.
//
// The prefixes are cut into a sorted row of segments; each segment knows the longest prefix over
// it, and each prefix the next wider one. One binary search answers "which is longest", and
// following wider() lists the rest, longest first.
// Thread: any, once built.   Cost: one binary search over at most 2n segments; 12 bytes (IPv4) or
// 36 (IPv6) per segment.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ip.h"

namespace penstock::policy {

class PrefixSet {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  PrefixSet() = default;
  explicit PrefixSet(std::vector<IpPrefix> prefixes);  // in any order, duplicates welcome

  // Prefixes are numbered from 0 to size() - 1.
  uint32_t longest(const IpAddress& address) const;  // kNone: no prefix covers it
  uint32_t wider(uint32_t prefix) const { return wider_[prefix]; }
  bool contains(const IpAddress& address) const { return longest(address) != kNone; }

  // The number of a member; the prefix must be one.
  uint32_t number_of(const IpPrefix& prefix) const;

  size_t size() const { return prefixes_.size(); }
  bool empty() const { return prefixes_.empty(); }

 private:
  template <class Key>
  struct Segments {
    std::vector<Key> starts;       // ascending
    std::vector<uint32_t> owners;  // longest prefix over [starts[i], starts[i + 1]), or kNone

    void mark(Key start, uint32_t owner);
    uint32_t find(Key key) const;
  };

  template <class Key>
  void cut(Segments<Key>& segments, uint32_t first, uint32_t last);

  std::vector<IpPrefix> prefixes_;  // v4 before v6, then by address, wider before longer
  std::vector<uint32_t> wider_;
  Segments<uint32_t> v4_;
  Segments<unsigned __int128> v6_;
};

}  // namespace penstock::policy
