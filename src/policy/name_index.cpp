#include "policy/name_index.h"

#include "base/check.h"

namespace penstock::policy {

uint32_t NameIndex::find(std::string_view wanted, uint64_t hash) const {
  if (slots_.empty()) return kNone;
  const size_t mask = slots_.size() - 1;
  const auto tag = static_cast<uint32_t>(hash >> 32);
  for (size_t at = hash & mask;; at = (at + 1) & mask) {
    const Slot& slot = slots_[at];
    if (slot.number == kNone) return kNone;
    if (slot.tag == tag && word(slot.number) == wanted) return slot.number;
  }
}

uint32_t NameIndex::add(std::string_view wanted) {
  const uint64_t hash = NameHash::of(wanted);
  if (const uint32_t known = find(wanted, hash); known != kNone) return known;
  PENSTOCK_CHECK(bytes_.size() + wanted.size() < UINT32_MAX);
  const auto number = static_cast<uint32_t>(words_.size());
  words_.push_back({static_cast<uint32_t>(bytes_.size()), static_cast<uint32_t>(wanted.size())});
  bytes_.append(wanted);
  if (words_.size() * 2 > slots_.size()) {
    grow();
  } else {
    place(hash, number);
  }
  return number;
}

void NameIndex::place(uint64_t hash, uint32_t number) {
  const size_t mask = slots_.size() - 1;
  size_t at = hash & mask;
  while (slots_[at].number != kNone) at = (at + 1) & mask;
  slots_[at] = {static_cast<uint32_t>(hash >> 32), number};
}

void NameIndex::grow() {
  slots_.assign(slots_.empty() ? 4 : slots_.size() * 2, Slot{});
  for (uint32_t number = 0; number < words_.size(); ++number) {
    place(NameHash::of(word(number)), number);
  }
}

}  // namespace penstock::policy
