// What a service says of itself (RFC 3507 section 4.10.2). Pure.
// Limits: of each list of extensions kExtensionsMax; what is beyond is as if it were not there.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace penstock::icap {

// What a service wants of a message by the extension of the file that it is about.
enum class Transfer : uint8_t {
  kPreview,   // its first bytes, and then as it says
  kIgnore,    // nothing: it goes on unread
  kComplete,  // all of it at once
};
inline constexpr size_t kTransfers = 3;

struct Options {
  static constexpr size_t kExtensionsMax = 256;
  // Kept for so long at most, and where the service does not say for how long: one that was changed
  // is found out in the end.
  static constexpr Duration kTtlMax = std::chrono::hours(1);

  bool reqmod = false;
  bool respmod = false;
  std::optional<uint64_t> preview{};  // bytes that it wants to see first; nothing: no previews
  Duration ttl = kTtlMax;
  std::optional<uint64_t> connections{};  // at one time, of all who ask it
  std::string istag;
  std::array<std::vector<std::string>, kTransfers> extensions{};  // in lower case
  Transfer others = Transfer::kPreview;                           // of extensions in no list

  // `path` of the request, without its query.
  Transfer transfer_of(std::string_view path) const;
};

}  // namespace penstock::icap
