// Reads a TLS ClientHello as it passes: server name, ALPN, whether ECH is present. Nothing is
// decrypted and nothing is changed. RFC 8446 section 4.1.2, RFC 6066 section 3, RFC 9849.
// Cost: linear in bytes, no allocation; views point into the bytes given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace penstock::tls {

// The most bytes, record headers included, that a ClientHello may take. No real one is larger;
// post-quantum key shares bring them to about 2 KiB.
inline constexpr size_t kClientHelloBytesMax = 16 * 1024;

enum class HelloStep : uint8_t {
  kNeedMore,   // a ClientHello so far, not all of it
  kNotTls,     // the first byte, or the first four, say so
  kMalformed,  // began like TLS and is no ClientHello that can be read, or is larger than we read
  kComplete,
};

struct ClientHello {
  std::string_view sni;   // as sent; empty: none
  std::string_view alpn;  // the first protocol offered; empty: none
  bool ech = false;       // encrypted_client_hello, real or GREASE

  // What a fingerprint is made of (tls/ja4.h), as sent.
  uint16_t version = 0;                    // legacy_version
  std::span<const uint8_t> cipher_suites;  // two bytes each
  std::span<const uint8_t> extensions;     // a type and a vector each; the row is whole
};

// Collects a ClientHello that may be cut anywhere: byte by byte, over several TLS records.
// `scratch` is where a handshake message that spans records is put together; it must hold
// kClientHelloBytesMax bytes and outlive the views in `hello`. Nothing is kept between calls: give
// all bytes received so far each time. Once the answer is not kNeedMore, more bytes do not change
// it, and bytes behind the ClientHello are not looked at. `hello` is empty unless kComplete.
HelloStep read_client_hello(std::span<const uint8_t> received, std::span<uint8_t> scratch,
                            ClientHello* hello);

}  // namespace penstock::tls
