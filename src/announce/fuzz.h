// What must be true of any bytes that claim to be a header, for both fuzz targets.
#pragma once

#include <algorithm>
#include <string>

#include "announce/header.h"
#include "base/bytes.h"
#include "base/check.h"

namespace penstock::announce {

inline bool same(const Header& a, const Header& b) {
  return a.local == b.local && a.source == b.source && a.destination == b.destination;
}

// The answer does not depend on how the bytes are cut, and what was read can be announced again.
inline void judge_header(std::span<const uint8_t> data) {
  const auto whole = read_header(data);
  const bool taken = whole && *whole;
  PENSTOCK_CHECK(!whole || taken || data.size() < kHeaderBytesMax);
  if (taken) PENSTOCK_CHECK((*whole)->length <= std::min(data.size(), kHeaderBytesMax));
  for (size_t size = 0; size < std::min(data.size(), kHeaderBytesMax); ++size) {
    const auto part = read_header(data.first(size));
    if (!part) {
      PENSTOCK_CHECK(!whole && part.error() == whole.error());
    } else if (*part) {
      PENSTOCK_CHECK(taken && (*whole)->length == (*part)->length);
      PENSTOCK_CHECK(same((*whole)->message, (*part)->message));
    } else {
      PENSTOCK_CHECK(!taken || (*whole)->length > size);
    }
  }
  if (!taken || (*whole)->message.local) return;
  const Header& header = (*whole)->message;
  const Announcement again{header.source, header.destination, header.notes.authority,
                           header.notes.unique_id};
  for (const std::string& written : {write_v1(again), write_v2(again)}) {
    const auto reread = read_header(bytes_of(written));
    PENSTOCK_CHECK(reread && *reread && same((*reread)->message, header));
    PENSTOCK_CHECK((*reread)->length == written.size());
  }
}

}  // namespace penstock::announce
