// The waterfall on a terminal. What the proxy can read, what is encrypted and what only the proxy
// knows differ by the character as well as by the colour: pipes and colour-blind eyes see it too.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "probe/report.h"

namespace penstock::probe {
namespace {

enum class Look : uint8_t { kClear, kVisible, kProxys, kEncrypted, kFailed };

struct Ink {
  const char* colour;
  const char* block;
  const char* ascii;
  const char* legend;
};

const Ink& ink_of(Look look) {
  static constexpr Ink kInks[] = {
      {"\x1b[36m", "█", "=", "in the clear"},
      {"\x1b[33m", "█", "=", "the proxy can read it"},
      {"\x1b[34m", "▒", "~", "the proxy's own share"},
      {"\x1b[32m", "░", "#", "encrypted from end to end"},
      {"\x1b[31m", "█", "x", "not finished"},
  };
  return kInks[static_cast<size_t>(look)];
}

constexpr const char* kPlain = "\x1b[0m";

Look seen_as(const Span& span, const Way& way) {
  if (span.failed) return Look::kFailed;
  if (facts(span.phase).inside) return Look::kProxys;
  if (visible_to_proxy(span.phase, way)) return Look::kVisible;
  return encrypted(span.phase, way) ? Look::kEncrypted : Look::kClear;
}

std::string inked(Look look, std::string_view text, const Style& style) {
  if (!style.colour) return std::string(text);
  return fmt::format("{}{}{}", ink_of(look).colour, text, kPlain);
}

std::string repeated(const char* text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}

struct Scale {
  Duration total;
  int width;

  int column(Duration at) const {
    if (total <= Duration::zero()) return 0;
    const double share = static_cast<double>(at.count()) / static_cast<double>(total.count());
    return std::clamp(static_cast<int>(std::lround(share * width)), 0, width);
  }
};

// An instant is a mark with its note behind; anything else is as long as it lasted, and is seen
// even if that was next to nothing.
std::string bar_of(const Span& span, const Way& way, const Scale& scale, const Style& style) {
  const Look look = seen_as(span, way);
  const Ink& ink = ink_of(look);
  const int from = scale.column(span.start), to = scale.column(span.end);
  const std::string before(static_cast<size_t>(from), ' ');
  if (facts(span.phase).instant || (to == from && !span.failed)) {
    const std::string mark = inked(look, style.blocks ? "▏" : "|", style);
    if (!facts(span.phase).instant || span.note.empty()) return before + mark;
    const int size = static_cast<int>(span.note.size()) + 1;
    if (from + size <= scale.width || size > from) return before + mark + " " + span.note;
    return before.substr(static_cast<size_t>(size)) + span.note + " " + mark;
  }
  return before +
         inked(look, repeated(style.blocks ? ink.block : ink.ascii, std::max(1, to - from)), style);
}

std::string legend_of(const Timeline& timeline, const Style& style) {
  std::vector<Look> seen;
  for (const Span& span : timeline.spans) {
    const Look look = seen_as(span, timeline.way);
    if (look == Look::kClear && timeline.way.proxied) continue;  // a look-up before the proxy
    if (std::ranges::find(seen, look) == seen.end()) seen.push_back(look);
  }
  std::string out;
  for (const Look look : seen) {
    const Ink& ink = ink_of(look);
    out += fmt::format("{}{} {}", out.empty() ? "" : "   ",
                       inked(look, repeated(style.blocks ? ink.block : ink.ascii, 2), style),
                       ink.legend);
  }
  return out;
}

constexpr int kTitleWidth = 22;
constexpr int kBarWidthMin = 16;
constexpr int kBarWidthMax = 72;

}  // namespace

std::string waterfall(const Timeline& timeline, const Columns& figures, const Style& style) {
  const int used = 2 + kTitleWidth + static_cast<int>(figures.head.size()) + 3;
  const Scale scale{timeline.total(), std::clamp(style.columns - used, kBarWidthMin, kBarWidthMax)};
  std::string out = fmt::format("  {:<{}}{}\n", "phase", kTitleWidth, figures.head);
  size_t row = 0;
  for (const Phase phase : phases_of({&timeline})) {
    const Span& span = *timeline.find(phase);
    const std::string title = (facts(phase).inside ? "  " : "") + std::string(facts(phase).title);
    out += fmt::format("  {:<{}}{}  {}\n", title, kTitleWidth, figures.rows[row++],
                       bar_of(span, timeline.way, scale, style));
  }
  return out + fmt::format("\n  {}\n", legend_of(timeline, style));
}

}  // namespace penstock::probe
