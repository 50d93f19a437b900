// What the tests of both sides' messages stand on: how a reading came out, byte by byte.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/reading.h"

namespace penstock::socks {

template <class T>
std::string outcome(const Reading<T>& reading) {
  if (!reading) return std::string(reading.error().facts().word);
  return *reading ? "taken" : "incomplete";
}

// Reads `message` in every prefix: incomplete until the last byte, and nothing behind it matters.
template <class T>
void expect_needs_every_byte(Reading<T> (*read)(std::span<const uint8_t>),
                             const std::string& message) {
  for (size_t size = 0; size < message.size(); ++size) {
    EXPECT_EQ(outcome(read(bytes_of(message.substr(0, size)))), "incomplete") << size;
  }
  const std::string more = message + "\x16\x03\x01 and what the tunnel carries";
  const auto reading = read(bytes_of(more));
  ASSERT_EQ(outcome(reading), "taken");
  EXPECT_EQ((*reading)->length, message.size());
}

}  // namespace penstock::socks
