#include "policy/prefix_set.h"

#include <algorithm>

#include "base/check.h"

namespace penstock::policy {
namespace {

bool nested_order(const IpPrefix& a, const IpPrefix& b) {
  if (a.address.v6 != b.address.v6) return b.address.v6;
  if (a.address.bytes != b.address.bytes) return a.address.bytes < b.address.bytes;
  return a.length < b.length;
}

template <class Key>
Key key_of(const IpAddress& address) {
  Key key = 0;
  for (size_t i = 0; i < sizeof(Key); ++i) key = static_cast<Key>(key << 8 | address.bytes[i]);
  return key;
}

template <class Key>
Key last_of(const IpPrefix& prefix) {
  constexpr int kBits = 8 * sizeof(Key);
  const Key host_bits = prefix.length == kBits ? 0 : static_cast<Key>(~Key{0}) >> prefix.length;
  return key_of<Key>(prefix.address) | host_bits;
}

}  // namespace

PrefixSet::PrefixSet(std::vector<IpPrefix> prefixes) : prefixes_(std::move(prefixes)) {
  std::sort(prefixes_.begin(), prefixes_.end(), nested_order);
  prefixes_.erase(std::unique(prefixes_.begin(), prefixes_.end()), prefixes_.end());
  prefixes_.shrink_to_fit();
  PENSTOCK_CHECK(prefixes_.size() < kNone);
  wider_.assign(prefixes_.size(), kNone);
  const auto first_v6 = std::find_if(prefixes_.begin(), prefixes_.end(),
                                     [](const IpPrefix& p) { return p.address.v6; });
  const auto split = static_cast<uint32_t>(first_v6 - prefixes_.begin());
  cut(v4_, 0, split);
  cut(v6_, split, static_cast<uint32_t>(prefixes_.size()));
}

template <class Key>
void PrefixSet::Segments<Key>::mark(Key start, uint32_t owner) {
  if (!starts.empty() && starts.back() == start) {
    owners.back() = owner;
    return;
  }
  starts.push_back(start);
  owners.push_back(owner);
}

// Walks the prefixes in nested order with a stack of those still open. A prefix that ends gives
// its place back to the one around it.
template <class Key>
void PrefixSet::cut(Segments<Key>& segments, uint32_t first, uint32_t last) {
  std::vector<uint32_t> open;
  const auto close_before = [&](Key start, bool all) {
    while (!open.empty()) {
      const Key end = last_of<Key>(prefixes_[open.back()]);
      if (!all && end >= start) return;
      open.pop_back();
      const Key after = static_cast<Key>(end + 1);
      // 0 after the largest address: nothing follows that could belong to anybody.
      if (after != 0) segments.mark(after, open.empty() ? kNone : open.back());
    }
  };
  for (uint32_t prefix = first; prefix < last; ++prefix) {
    const Key start = key_of<Key>(prefixes_[prefix].address);
    close_before(start, false);
    wider_[prefix] = open.empty() ? kNone : open.back();
    segments.mark(start, prefix);
    open.push_back(prefix);
  }
  close_before(0, true);
  segments.starts.shrink_to_fit();
  segments.owners.shrink_to_fit();
}

template <class Key>
uint32_t PrefixSet::Segments<Key>::find(Key key) const {
  const auto after = std::upper_bound(starts.begin(), starts.end(), key);
  return after == starts.begin() ? kNone : owners[static_cast<size_t>(after - starts.begin() - 1)];
}

uint32_t PrefixSet::longest(const IpAddress& address) const {
  return address.v6 ? v6_.find(key_of<unsigned __int128>(address))
                    : v4_.find(key_of<uint32_t>(address));
}

uint32_t PrefixSet::number_of(const IpPrefix& prefix) const {
  const auto at = std::lower_bound(prefixes_.begin(), prefixes_.end(), prefix, nested_order);
  PENSTOCK_CHECK(at != prefixes_.end() && *at == prefix);
  return static_cast<uint32_t>(at - prefixes_.begin());
}

}  // namespace penstock::policy
