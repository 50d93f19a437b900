// "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n": section 2.1 of the specification.
#include <algorithm>
#include <array>

#include "announce/header.h"
#include "announce/versions.h"
#include "base/ascii.h"
#include "base/bytes.h"

namespace penstock::announce {
namespace {

constexpr size_t kLineBytesMax = 107;  // with the CR LF; the specification counts them out
constexpr std::string_view kUnknown = "UNKNOWN";

// The words of a line, with exactly one space between two of them.
class Words {
 public:
  explicit Words(std::string_view line) : rest_(line) {}

  std::string_view next() {
    const size_t space = rest_.find(' ');
    const std::string_view word = rest_.substr(0, space);
    ended_ = space == rest_.npos;
    rest_ = ended_ ? std::string_view() : rest_.substr(space + 1);
    return word;
  }
  bool ended() const { return ended_; }

 private:
  std::string_view rest_;
  bool ended_ = false;
};

std::optional<IpAddress> read_address(std::string_view word, bool v6) {
  const auto address = IpAddress::parse(word);
  return address && address->v6 == v6 ? address : std::nullopt;
}

Result<Header> read_line(std::string_view line) {
  Words words(line.substr(kV1Start.size()));
  const std::string_view family = words.next();
  // What follows UNKNOWN is to be ignored, whatever it is.
  if (family == kUnknown)
    return Header{.local = true, .source = {}, .destination = {}, .notes = {}};
  if (family != "TCP4" && family != "TCP6") return fail(Code::kBadAnnouncement);
  const bool v6 = family == "TCP6";
  const auto source = read_address(words.next(), v6);
  const auto destination = read_address(words.next(), v6);
  const auto source_port = parse_decimal(words.next(), 65535);
  const auto destination_port = parse_decimal(words.next(), 65535);
  if (!words.ended() || !source || !destination || !source_port || !destination_port) {
    return fail(Code::kBadAnnouncement);
  }
  return Header{.local = false,
                .source = {plain(*source), static_cast<uint16_t>(*source_port)},
                .destination = {plain(*destination), static_cast<uint16_t>(*destination_port)},
                .notes = {}};
}

}  // namespace

Reading<Header> read_v1(std::span<const uint8_t> received) {
  const std::string_view text = text_of(received.first(std::min(received.size(), kLineBytesMax)));
  const size_t end = text.find_first_of("\r\n");
  if (end == text.npos || (text[end] == '\r' && end + 1 == text.size())) {
    if (text.size() == kLineBytesMax) return fail(Code::kBadAnnouncement);
    return std::nullopt;
  }
  if (text.substr(end, 2) != "\r\n") return fail(Code::kBadAnnouncement);
  auto header = read_line(text.substr(0, end));
  if (!header) return std::unexpected(header.error());
  return Taken<Header>{*header, end + 2};
}

std::string write_v1(const Announcement& announcement) {
  const auto [source, destination] = in_one_family(announcement);
  std::string out(kV1Start);
  out += source.address.v6 ? "TCP6 " : "TCP4 ";
  out += source.address.text() + " " + destination.address.text() + " ";
  out += std::to_string(source.port) + " " + std::to_string(destination.port) + "\r\n";
  return out;
}

}  // namespace penstock::announce
