// A path re-spelled in every way that some server undoes: what denies the plain path denies each
// spelling (or it cannot be judged, and is refused), and what allows a spelling allows the plain
// path. The input: a glob, a line end, a plain path, a line end, and what is done to it; or any
// bytes at all. Seeds: fuzz/corpus/path.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/ascii.h"
#include "base/check.h"
#include "base/words.h"
#include "policy/path.h"

namespace {

using namespace penstock;
using namespace penstock::policy;

std::string encoded(std::string_view text, bool capitals) {
  const std::string_view hex = capitals ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    out += {'%', hex[byte >> 4], hex[byte & 15]};
  }
  return out;
}

struct Spelled {
  std::string path;
  bool other_case = false;  // an allow goes by case
  bool other_end = false;   // and by a slash at the end
};

// `choices` say what is done to each character.
Spelled respelled(std::string_view plain, std::string_view choices) {
  Spelled out;
  for (size_t i = 0; i < plain.size(); ++i) {
    const char c = plain[i];
    const auto choice = choices.empty() ? 0 : static_cast<uint8_t>(choices[i % choices.size()]);
    const bool slash = c == '/';
    const bool plain_percent = c == '%' || i == 0;  // it begins with a slash to be a path at all
    switch (choice % 10) {
      case 1: out.path += plain_percent ? std::string(1, c) : encoded({&c, 1}, false); break;
      case 2: out.path += plain_percent ? std::string(1, c) : encoded({&c, 1}, true); break;
      case 3:
        out.path += plain_percent ? std::string(1, c) : "%25" + encoded({&c, 1}, true).substr(1);
        break;
      case 4:
        out.other_case = out.other_case || is_alpha(c);
        out.path += is_alpha(c) ? static_cast<char>(c ^ 0x20) : c;
        break;
      case 5: out.path += slash ? "//" : std::string(1, c); break;
      case 6: out.path += slash ? "/;p=1/" : std::string(1, c); break;
      case 7: out.path += slash && i != 0 ? ";q/" : std::string(1, c); break;
      case 8: out.path += slash ? "/x/../" : std::string(1, c); break;
      case 9: out.path += slash ? "/./" : std::string(1, c); break;
      default: out.path += c;
    }
  }
  const auto last = choices.empty() ? 0 : static_cast<uint8_t>(choices.back());
  if (last % 4 == 1) out.path += ";";
  if (last % 4 == 2) out.path += "%3Fx";
  if (last % 4 == 3) {
    out.path += "/";
    out.other_end = true;
  }
  return out;
}

// Beyond crashes: what can be judged has no reading that leads out of its place.
void check_readings(std::string_view path) {
  const auto read = PathReadings::of(path);
  if (!read) return;
  PENSTOCK_CHECK(!read->all().empty() && read->all().size() <= PathReadings::kReadingsMax);
  for (const std::string& reading : read->all()) {
    PENSTOCK_CHECK(reading == "*" || reading.starts_with('/'));
    PENSTOCK_CHECK(!reading.contains("/../") && !reading.ends_with("/.."));
    PENSTOCK_CHECK(!reading.contains('\\') && !reading.contains('?'));
    PENSTOCK_CHECK(std::ranges::all_of(reading, [](char c) { return c > 0x20 && c < 0x7f; }));
    // What somebody behind us reads in a reading, we have read in the path.
    const auto again = PathReadings::of(reading);
    PENSTOCK_CHECK(again.has_value());
    for (const std::string& deeper : again->all()) {
      PENSTOCK_CHECK(std::ranges::find(read->all(), deeper) != read->all().end());
    }
  }
}

// Not one that has a second reading by itself, of which respelling could make another.
bool is_plain(std::string_view path) {
  const auto read = PathReadings::of(path);
  return read && read->all().size() == 1 && read->all().front() == path && path != "*";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  check_readings(rest);
  const std::string_view wanted = take_line(rest);
  const std::string_view plain = take_line(rest);
  check_readings(wanted);
  const auto glob = PathGlob::parse(wanted);
  if (!glob) {
    PENSTOCK_CHECK(!glob.error().empty());
    return 0;
  }
  if (!is_plain(plain) || plain.size() > 200) return 0;
  const std::vector<PathGlob> globs{*glob};
  const PathReadings as_it_is = *PathReadings::of(plain);
  const Spelled spelled = respelled(plain, rest);
  const auto other = PathReadings::of(spelled.path);
  if (!other) return 0;
  if (denies(globs, as_it_is)) PENSTOCK_CHECK(denies(globs, *other));
  if (allows(globs, *other)) {
    PENSTOCK_CHECK(denies(globs, *other));
    if (!spelled.other_case && !spelled.other_end) PENSTOCK_CHECK(allows(globs, as_it_is));
  }
  return 0;
}
