// TLS as it looks from outside: the record with which a client begins, and the alerts that we say
// to clients with which we share no keys. RFC 8446 sections 5.1 and 6.
#pragma once

#include <cstdint>
#include <string_view>

namespace penstock::tls {

inline constexpr uint8_t kAlertRecord = 21;
inline constexpr uint8_t kHandshakeRecord = 22;

// Level fatal. The record version is what every client accepts from a server that has not chosen
// one.
inline constexpr std::string_view kAccessDenied("\x15\x03\x03\x00\x02\x02\x31", 7);
inline constexpr std::string_view kInternalError("\x15\x03\x03\x00\x02\x02\x50", 7);

}  // namespace penstock::tls
