// The header of the PROXY protocol, versions 1 and 2: in front of a stream's own bytes, the sender
// announces on whose behalf it connects (haproxy, doc/proxy-protocol.txt). Whoever believes it
// believes the sender; who may send one is not decided here.
// Pure functions, any thread. Cost: linear in the header, kHeaderBytesMax at most.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/ip.h"
#include "base/reading.h"

namespace penstock::announce {

// Version 1 has 107 bytes at most, version 2 up to 64 KiB of which no sender uses more than this:
// a client's certificate, names and checksums are about 2 KiB.
inline constexpr size_t kHeaderBytesMax = 4096;

// What version 2 may say beside the addresses. Views into the header; empty: not said. They are
// notes: nothing is decided by them.
struct Notes {
  std::string_view authority;  // the name that the client asked the sender for (its SNI)
  std::string_view alpn;
  std::string_view unique_id;    // at most 128 bytes, any
  std::string_view tls_version;  // of the client's connection to the sender
  std::string_view tls_name;     // the common name of the client's certificate, if it was verified
};

struct Header {
  // The sender speaks for itself (a health check), or knows no client that has an address: the
  // client is the sender, and `source` and `destination` are empty.
  bool local = false;
  Endpoint source;       // the client. An IPv4 address in IPv6 clothes is that IPv4 address
  Endpoint destination;  // what it had connected to
  Notes notes;
};

// The header at the front of all bytes received so far; bytes behind it are not looked at. Refuses
// as soon as the bytes allow: kNoAnnouncement where they are something else, kBadAnnouncement where
// they began like a header.
Reading<Header> read_header(std::span<const uint8_t> received);

// What we say of our own client. `authority` and `unique_id` go into version 2 alone, which ends in
// a checksum. Addresses of two families are both written as IPv6.
struct Announcement {
  Endpoint source;
  Endpoint destination;
  std::string_view authority;  // at most 255 bytes
  std::string_view unique_id;  // at most 128 bytes
};
std::string write_v1(const Announcement& announcement);
std::string write_v2(const Announcement& announcement);

}  // namespace penstock::announce
