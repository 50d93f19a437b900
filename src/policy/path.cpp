#include "policy/path.h"

#include <algorithm>
#include <utility>

#include "base/ascii.h"
#include "http/structured.h"
#include "policy/askers.h"

namespace penstock::policy {
namespace {

constexpr size_t kGlobBytesMax = 512;

constexpr bool is_unreserved(char c) {
  return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

// What may stand for itself, and may mean something else than its encoded form: to a server that
// gives "name:verb" or "a;b" a meaning, %3A and %3B are data. '*' is not among them: here it is
// always encoded, so that it cannot be confused with a glob's.
constexpr bool has_two_forms(char c) {
  constexpr std::string_view kMarks = "/:@!$&'()+,;=";
  return kMarks.find(c) != kMarks.npos;
}

constexpr bool is_control(uint8_t byte) {
  return byte < 0x20 || byte == 0x7f;
}

// Text in the spelling of readings, byte by byte.
class Speller {
 public:
  // False: no server can be trusted with it.
  bool add_raw(char c) {
    const auto byte = static_cast<uint8_t>(c);
    if (is_control(byte) || byte >= 0x80 || c == '\\' || c == '?' || c == '#') return false;
    before_ = 0;
    if (is_unreserved(c) || has_two_forms(c)) {
      out_ += c;
    } else {
      encode(byte);
    }
    return true;
  }

  bool add_encoded(uint8_t byte) {
    // A NUL ends a path for what is written in C, and a backslash is a slash on Windows.
    if (is_control(byte) || byte == '\\' || is_overlong(byte)) return false;
    before_ = byte;
    if (is_unreserved(static_cast<char>(byte))) {
      out_ += static_cast<char>(byte);
    } else {
      encode(byte);
    }
    return true;
  }

  std::string take() { return std::move(out_); }

 private:
  // UTF-8 that spells an ASCII character in more bytes than one: lenient decoders read %C0%AF as a
  // slash. Also what can begin no character at all.
  bool is_overlong(uint8_t byte) const {
    if (byte == 0xc0 || byte == 0xc1 || byte >= 0xf5) return true;
    return (before_ == 0xe0 && byte >= 0x80 && byte < 0xa0) ||
           (before_ == 0xf0 && byte >= 0x80 && byte < 0x90);
  }
  void encode(uint8_t byte) {
    constexpr char kHex[] = "0123456789ABCDEF";
    out_ += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }

  std::string out_;
  uint8_t before_ = 0;  // the encoded byte in front, if there is one
};

bool is_triplet(std::string_view text, size_t at) {
  return text.size() - at >= 3 && is_hex_digit(text[at + 1]) && is_hex_digit(text[at + 2]);
}
uint8_t triplet_value(std::string_view text, size_t at) {
  return static_cast<uint8_t>(http::hex_value(text[at + 1]) << 4 | http::hex_value(text[at + 2]));
}

// What a '%' without two digits behind it is: in what was sent, a fault; in what came of decoding,
// the character itself.
enum class Percent : uint8_t { kFault, kItself };

std::optional<std::string> spell(std::string_view text, Percent lone) {
  Speller out;
  for (size_t i = 0; i < text.size(); ++i) {
    bool good = false;
    if (text[i] != '%') {
      good = out.add_raw(text[i]);
    } else if (is_triplet(text, i)) {
      good = out.add_encoded(triplet_value(text, i));
      i += 2;
    } else if (lone == Percent::kItself) {
      good = out.add_encoded('%');
    }
    if (!good) return std::nullopt;
  }
  return out.take();
}

// As a server reads it that decodes once more than the one in front of it: what has two forms gets
// the plain one, and a '?' or '#' that comes out ends the path.
std::optional<std::string> decode(std::string_view reading) {
  std::string out;
  for (size_t i = 0; i < reading.size(); ++i) {
    if (reading[i] != '%') {
      out += reading[i];
      continue;
    }
    const auto c = static_cast<char>(triplet_value(reading, i));
    if (c == '?' || c == '#') break;
    if (c == '%' || has_two_forms(c)) {
      out += c;
    } else {
      out += reading.substr(i, 3);
    }
    i += 2;
  }
  return spell(out, Percent::kItself);
}

std::string without_parameters(std::string_view reading) {
  std::string out;
  bool in_parameter = false;
  for (const char c : reading) {
    if (c == '/') in_parameter = false;
    if (c == ';') in_parameter = true;
    if (!in_parameter) out += c;
  }
  return out;
}

std::string with_single_slashes(std::string_view reading) {
  std::string out;
  for (const char c : reading) {
    if (c != '/' || !out.ends_with('/')) out += c;
  }
  return out;
}

// "." and ".." lead elsewhere for one server and not for the next; clients resolve them before they
// ask (RFC 3986 section 5.2.4).
bool has_dot_segment(std::string_view reading) {
  while (!reading.empty()) {
    const size_t end = std::min(reading.find('/'), reading.size());
    const std::string_view segment = reading.substr(0, end);
    if (segment == "." || segment == "..") return true;
    reading.remove_prefix(std::min(end + 1, reading.size()));
  }
  return false;
}

// False: there are too many.
bool add_reading(std::vector<std::string>& all, std::string reading) {
  if (std::ranges::find(all, reading) != all.end()) return true;
  if (all.size() == PathReadings::kReadingsMax) return false;
  all.push_back(std::move(reading));
  return true;
}

}  // namespace

std::optional<PathReadings> PathReadings::of(std::string_view path) {
  if (path.empty()) path = "/";
  const bool of_server = path == "*";  // OPTIONS asks about the whole of it
  if (path.size() > kBytesMax || (!path.starts_with('/') && !of_server)) return std::nullopt;
  PathReadings out;
  if (of_server) {
    out.all_.emplace_back("*");
    return out;
  }
  auto sent = spell(path, Percent::kFault);
  if (!sent) return std::nullopt;
  out.all_.push_back(std::move(*sent));
  // Each thing that a server may do to a path, done to all that may have been done before it.
  for (size_t i = 0; i < out.all_.size(); ++i) {
    const std::string reading = out.all_[i];
    if (has_dot_segment(reading)) return std::nullopt;
    if (reading.contains('%')) {
      auto decoded = decode(reading);
      if (!decoded || !add_reading(out.all_, std::move(*decoded))) return std::nullopt;
    }
    if (reading.contains(';') && !add_reading(out.all_, without_parameters(reading))) {
      return std::nullopt;
    }
    if (reading.contains("//") && !add_reading(out.all_, with_single_slashes(reading))) {
      return std::nullopt;
    }
  }
  return out;
}

std::expected<PathGlob, std::string> PathGlob::parse(std::string_view text) {
  const auto refused = [](std::string_view why) { return std::unexpected(std::string(why)); };
  if (!text.starts_with('/') && !text.starts_with('*')) {
    return refused("does not begin with \"/\" or \"*\"; write for example \"/v1/*\"");
  }
  if (text.size() > kGlobBytesMax) return refused("has more than 512 bytes");
  if (text.find_first_of("?#") != text.npos) {
    return refused(
        "has a query, which rules do not look at; leave out what begins with \"?\" or \"#\"");
  }
  if (has_dot_segment(text)) {
    return refused("has \".\" or \"..\" between slashes; such requests are refused, remove it");
  }
  PathGlob out;
  for (size_t from = 0; from <= text.size();) {
    const size_t star = std::min(text.find('*', from), text.size());
    const auto piece = spell(text.substr(from, star - from), Percent::kFault);
    if (!piece) {
      return refused(
          "has something in it that no request may have; write printable ASCII without "
          "backslashes, and \"%\" with two hexadecimal digits for everything else");
    }
    out.glob_ += *piece;
    if (star < text.size()) out.glob_ += '*';
    from = star + 1;
  }
  out.lower_ = lower(out.glob_);
  return out;
}

bool PathGlob::matches(std::string_view reading) const {
  return glob_matches(glob_, reading);
}

bool PathGlob::matches_loosely(std::string_view reading) const {
  if (glob_matches(lower_, reading)) return true;
  const size_t last = reading.find_last_not_of('/');
  return last != reading.npos && last + 1 < reading.size() &&
         glob_matches(lower_, reading.substr(0, last + 1));
}

bool allows(const std::vector<PathGlob>& globs, const PathReadings& path) {
  return std::ranges::all_of(path.all(), [&globs](const std::string& reading) {
    return std::ranges::any_of(globs,
                               [&reading](const PathGlob& glob) { return glob.matches(reading); });
  });
}

bool denies(const std::vector<PathGlob>& globs, const PathReadings& path) {
  return std::ranges::any_of(path.all(), [&globs](const std::string& reading) {
    const std::string folded = lower(reading);
    return std::ranges::any_of(
        globs, [&folded](const PathGlob& glob) { return glob.matches_loosely(folded); });
  });
}

}  // namespace penstock::policy
