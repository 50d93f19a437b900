// The path of a request as rules look at it, and the globs that it is held against.
//
// One path has many spellings, and what an origin makes of them is not known here: it may decode
// once more than we did, drop ";parameters" (Tomcat), take "//" for "/" (nginx), or none of it. So
// a path is not brought to one form; it is all that servers are known to read in it: its readings.
// A deny holds if any reading matches, an allow only if every one does. A reading more can refuse
// a request and never let one pass. What leads out of its place ("..", a backslash, an overlong
// "/") or has too many readings cannot be judged, and every deny holds for it and no allow.
// docs/inspection-rules.md has the reasons one by one.
// Pure.   Thread: any.   Cost: one string for an ordinary path; at most kReadingsMax of them.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::policy {

class PathReadings {
 public:
  static constexpr size_t kReadingsMax = 16;
  // RFC 9110 section 4.1 asks for 8000 octets of a URI, and servers take little more.
  static constexpr size_t kBytesMax = 8192;

  // `path` as it was sent, without its query; an empty one is "/". Empty: it cannot be judged.
  static std::optional<PathReadings> of(std::string_view path);

  // The first is the path as it was sent, but for what means the same to everybody (RFC 9110
  // section 4.2.3): letters, digits and "-._~" are never encoded, everything that needs to be is.
  const std::vector<std::string>& all() const { return all_; }

 private:
  std::vector<std::string> all_;
};

// A path with '*' for any run of characters, '/' included.
class PathGlob {
 public:
  // An error is a sentence that goes behind the glob.
  static std::expected<PathGlob, std::string> parse(std::string_view text);

  bool matches(std::string_view reading) const;
  // `reading` in lower case. Whatever its case and whether or not a '/' ends it, as many servers
  // (IIS, Express) have it.
  bool matches_loosely(std::string_view reading) const;

 private:
  std::string glob_;
  std::string lower_;
};

// Whether each reading is matched by one of the globs.
bool allows(const std::vector<PathGlob>& globs, const PathReadings& path);
// Whether one of the globs matches any reading, loosely.
bool denies(const std::vector<PathGlob>& globs, const PathReadings& path);

}  // namespace penstock::policy
