// Numbers of the messages of SOCKS5, for both sides.
#pragma once

#include <cstddef>
#include <cstdint>

namespace penstock::socks {

inline constexpr uint8_t kConnect = 1;          // RFC 1928 section 4
inline constexpr uint8_t kPasswordVersion = 1;  // RFC 1929 section 2
inline constexpr size_t kAddressTypeAt = 3;     // in a request and in the answer to it

enum AddressType : uint8_t { kV4 = 1, kName = 3, kV6 = 4 };  // RFC 1928 section 5

}  // namespace penstock::socks
