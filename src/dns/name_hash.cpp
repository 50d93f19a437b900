#include "dns/name_hash.h"

#include <sys/random.h>

#include <array>
#include <bit>
#include <cerrno>

#include "base/check.h"

namespace penstock::dns {
namespace {

struct SipState {
  uint64_t a, b, c, d;

  void round() {
    a += b;
    b = std::rotl(b, 13) ^ a;
    a = std::rotl(a, 32);
    c += d;
    d = std::rotl(d, 16) ^ c;
    a += d;
    d = std::rotl(d, 21) ^ a;
    c += b;
    b = std::rotl(b, 17) ^ c;
    c = std::rotl(c, 32);
  }
  void mix(uint64_t word) {
    d ^= word;
    round();
    a ^= word;
  }
};

uint64_t little_endian(std::string_view bytes) {
  uint64_t word = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    word |= uint64_t{static_cast<uint8_t>(bytes[i])} << (8 * i);
  }
  return word;
}

}  // namespace

uint64_t sip_hash_1_3(uint64_t key0, uint64_t key1, std::string_view bytes) {
  SipState state{key0 ^ 0x736f6d6570736575ull, key1 ^ 0x646f72616e646f6dull,
                 key0 ^ 0x6c7967656e657261ull, key1 ^ 0x7465646279746573ull};
  const uint64_t length = bytes.size();
  while (bytes.size() >= 8) {
    state.mix(little_endian(bytes.substr(0, 8)));
    bytes.remove_prefix(8);
  }
  state.mix(length << 56 | little_endian(bytes));
  state.c ^= 0xff;
  for (int i = 0; i < 3; ++i) state.round();
  return state.a ^ state.b ^ state.c ^ state.d;
}

size_t NameHash::operator()(std::string_view name) const {
  static const std::array<uint64_t, 2> key = [] {
    std::array<uint64_t, 2> fresh;
    fill_random(fresh.data(), sizeof fresh);
    return fresh;
  }();
  return sip_hash_1_3(key[0], key[1], name);
}

void fill_random(void* into, size_t size) {
  // Up to 256 bytes come whole once the kernel has been seeded; a signal may interrupt only the
  // wait for that seeding.
  PENSTOCK_CHECK(size <= 256);
  ssize_t got;
  do {
    got = ::getrandom(into, size, 0);
  } while (got < 0 && errno == EINTR);
  PENSTOCK_CHECK(got == static_cast<ssize_t>(size));
}

}  // namespace penstock::dns
