// The blend of mode mix: what share of the tunnels does what, in one table. The shares follow what
// an egress proxy of a company sees: most tunnels are short and talkative, few carry most of the
// bytes, and some are only held.
// Pure: a function of the seed.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/random.h"
#include "base/time.h"

namespace penstock::load {

enum class ActKind : uint8_t {
  kShort,         // one byte each way, and close
  kConversation,  // round trips of messages as large as TLS and small requests make them
  kDownload,      // one stream down, sizes with a heavy tail
  kHold,          // nothing for a while, and then a byte to see whether the tunnel is still there
};

struct BlendRow {
  ActKind kind;
  std::string_view name;
  int percent;
};
inline constexpr std::array<BlendRow, 4> kBlend = {{
    {ActKind::kShort, "short", 40},
    {ActKind::kConversation, "conversation", 40},
    {ActKind::kDownload, "download", 15},
    {ActKind::kHold, "hold", 5},
}};

// A conversation: kRoundTripsMin to kRoundTripsMax messages of kMessageMin to kMessageMax bytes
// (uniform), each sent and sent back; the first is as long as a ClientHello.
inline constexpr uint64_t kHelloBytes = 517;
inline constexpr uint64_t kRoundTripsMin = 3, kRoundTripsMax = 12;
inline constexpr uint64_t kMessageMin = 64, kMessageMax = 4096;
// A download: Pareto with this shape from kDownloadMin on, cut at kDownloadMax: a median of 14 KiB,
// and one in a hundred above 380 KiB.
inline constexpr double kDownloadShape = 1.2;
inline constexpr uint64_t kDownloadMin = 8 * 1024, kDownloadMax = uint64_t{256} << 20;
// A hold: exponential with this mean, cut at kHoldMax and at the end of the run.
inline constexpr Duration kHoldMean = std::chrono::seconds(5);
inline constexpr Duration kHoldMax = std::chrono::seconds(60);

struct Act {
  ActKind kind = ActKind::kShort;
  int round_trips = 0;  // kConversation
  uint64_t bytes = 0;   // kDownload
  Duration hold{};      // kHold
};

class Blend {
 public:
  explicit Blend(uint64_t seed) : random_(seed) {}

  Act draw();
  uint64_t draw_message();  // bytes of a conversation's next one

 private:
  Random random_;
};

}  // namespace penstock::load
