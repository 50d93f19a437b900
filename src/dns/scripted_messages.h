// For tests: writes DNS replies, wrong ones included.
#pragma once

#include <algorithm>
#include <string_view>

#include "base/check.h"
#include "base/ip.h"
#include "dns/channel.h"
#include "dns/message.h"

namespace penstock::dns::scripted {

struct Flags {
  int rcode = 0;
  bool truncated = false;
};

class Writer {
 public:
  Writer(uint16_t id, std::string_view name, RecordType type, Flags flags = {}) {
    put16(id);
    put16(static_cast<uint16_t>(0x8180 | flags.rcode | (flags.truncated ? 0x0200 : 0)));
    for (const int count : {1, 0, 0, 0}) put16(static_cast<uint16_t>(count));
    put_name(name);
    put16(static_cast<uint16_t>(type));
    put16(1);
  }

  Writer& address(std::string_view owner, std::string_view text, uint32_t ttl) {
    const auto address = IpAddress::parse(text);
    PENSTOCK_CHECK(address);
    const size_t width = address->v6 ? 16 : 4;
    begin(6, owner, address->v6 ? 28 : 1, ttl);
    put16(static_cast<uint16_t>(width));
    message_.insert(message_.end(), address->bytes.begin(), address->bytes.begin() + width);
    return *this;
  }
  Writer& alias(std::string_view owner, std::string_view target, uint32_t ttl) {
    begin(6, owner, 5, ttl);
    put_sized_name(target);
    return *this;
  }
  Writer& authority(std::string_view zone, uint32_t ttl, uint32_t minimum) {
    begin(8, zone, 6, ttl);
    const size_t length = message_.size();
    put16(0);
    put_name("ns.example");
    put_name("who.example");
    for (const uint32_t field : {1u, 2u, 3u, 4u, minimum}) put32(field);
    set16(length, static_cast<uint16_t>(message_.size() - length - 2));
    return *this;
  }
  Writer& edns() {
    set16(10, 1);
    message_.push_back(0);
    put16(41);
    put16(kUdpPayload);
    for (int i = 0; i < 3; ++i) put16(0);
    return *this;
  }
  Message done() const { return message_; }

 private:
  void put16(uint16_t value) {
    message_.push_back(static_cast<uint8_t>(value >> 8));
    message_.push_back(static_cast<uint8_t>(value));
  }
  void put32(uint32_t value) {
    put16(static_cast<uint16_t>(value >> 16));
    put16(static_cast<uint16_t>(value));
  }
  void set16(size_t at, uint16_t value) {
    message_[at] = static_cast<uint8_t>(value >> 8);
    message_[at + 1] = static_cast<uint8_t>(value);
  }
  void put_name(std::string_view name) {
    while (!name.empty()) {
      const std::string_view label = name.substr(0, name.find('.'));
      message_.push_back(static_cast<uint8_t>(label.size()));
      message_.insert(message_.end(), label.begin(), label.end());
      name.remove_prefix(std::min(name.size(), label.size() + 1));
    }
    message_.push_back(0);
  }
  void put_sized_name(std::string_view name) {
    const size_t length = message_.size();
    put16(0);
    put_name(name);
    set16(length, static_cast<uint16_t>(message_.size() - length - 2));
  }
  // The fixed part of a record in the section whose count stands at `count`.
  void begin(size_t count, std::string_view owner, uint16_t type, uint32_t ttl) {
    set16(count, static_cast<uint16_t>((message_[count] << 8 | message_[count + 1]) + 1));
    put_name(owner);
    put16(type);
    put16(1);
    put32(ttl);
  }

  Message message_;
};

}  // namespace penstock::dns::scripted
