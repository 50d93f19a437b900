// SipHash-1-3 (Aumasson and Bernstein, 2012) with a random key per process. Clients choose which
// names are looked up; with an unkeyed hash they could choose names that all fall into one bucket
// and make each look-up walk the whole cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace penstock::dns {

uint64_t sip_hash_1_3(uint64_t key0, uint64_t key1, std::string_view bytes);

// For std::unordered_map keyed by std::string, searched by std::string_view.
struct NameHash {
  using is_transparent = void;
  size_t operator()(std::string_view name) const;
};

// Bytes that cannot be predicted, from the kernel: keys and query ids.
void fill_random(void* into, size_t size);

}  // namespace penstock::dns
