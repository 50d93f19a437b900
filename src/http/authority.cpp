#include "http/authority.h"

#include <algorithm>
#include <utility>

#include "base/ascii.h"

namespace penstock::http {
namespace {

constexpr size_t kNameBytes = 253;  // RFC 1035 section 2.3.4, without the root dot
constexpr size_t kLabelBytes = 63;

// Where the parts of an authority stand in its text; nothing in it is validated yet.
struct Parts {
  std::string_view host;  // without brackets
  bool bracketed = false;
  std::optional<std::string_view> port;
};

struct Host {
  std::string text;
  std::optional<IpAddress> literal;
};

Result<Parts> split_bracketed(std::string_view text) {
  const size_t close = text.find(']');
  if (close == text.npos) return fail(Code::kBadIpv6);
  Parts out{text.substr(1, close - 1), true, std::nullopt};
  const std::string_view rest = text.substr(close + 1);
  if (rest.empty()) return out;
  if (rest.front() != ':') return fail(Code::kBadIpv6);
  out.port = rest.substr(1);
  return out;
}

// What stands before the last colon of an unbracketed text holds another colon.
Code code_of_many_colons(std::string_view text) {
  const bool like_ipv6 = text.find("::") != text.npos || std::ranges::count(text, ':') > 2;
  return like_ipv6 ? Code::kBadIpv6 : Code::kBadPort;
}

Result<Parts> split(std::string_view text) {
  // "evil#@ok" and "user@evil" name different hosts to different URL parsers: whatever belongs to
  // a URL rather than to an authority is refused before the host is even looked for.
  if (text == "*" || text.find_first_of("/?#") != text.npos) return fail(Code::kTargetForm);
  if (text.find('@') != text.npos) return fail(Code::kUserinfo);
  if (text.starts_with('[')) return split_bracketed(text);
  const size_t colon = text.find(':');
  if (colon == text.npos) return Parts{text, false, std::nullopt};
  if (text.find(':', colon + 1) != text.npos) return fail(code_of_many_colons(text));
  return Parts{text.substr(0, colon), false, text.substr(colon + 1)};
}

// Other proxies wrapped "84337" to 18801 and took "+443", "0443" and "443,22": each such reading is
// a way around a port rule, so exactly one spelling of each port exists here.
Result<uint16_t> read_port(std::string_view text) {
  if (text.empty()) return fail(Code::kMissingPort);
  const auto port = parse_decimal(text, 65535);
  if (!port || *port == 0) return fail(Code::kBadPort);
  return static_cast<uint16_t>(*port);
}

Result<Host> read_host(const Parts& parts) {
  const auto address = IpAddress::parse(parts.host);
  if (parts.bracketed) {
    // A name or an IPv4 address in brackets was a way past a rival's deny list (CVE-2022-29188).
    if (!address || !address->v6) return fail(Code::kBadIpv6);
    return Host{address->text(), address};
  }
  if (address) return Host{address->text(), address};
  auto name = canonical_name(parts.host);
  if (!name) return std::unexpected(name.error());
  return Host{std::move(*name), std::nullopt};
}

// inet_aton reads "2130706433", "0x7f.1" and "0177.0.0.1" as 127.0.0.1, and URL parsers decide by
// the last label alone whether a host is a number. "0x" needs no digit behind it to count.
bool is_numeric_label(std::string_view label) {
  if (label.starts_with("0x")) return true;
  return std::ranges::all_of(label, is_digit);
}

bool is_label(std::string_view label) {
  if (label.empty() || label.size() > kLabelBytes) return false;
  if (label.front() == '-' || label.back() == '-') return false;
  return std::ranges::all_of(
      label, [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '_'; });
}

}  // namespace

std::string Authority::text() const {
  const bool brackets = literal && literal->v6;
  std::string out;
  out.reserve(host.size() + 8);
  if (brackets) out += '[';
  out += host;
  if (brackets) out += ']';
  out += ':';
  out += std::to_string(port);
  return out;
}

bool HostField::agrees_with(const Authority& target) const {
  return host == target.host && literal == target.literal && (!port || *port == target.port);
}

Result<Authority> parse_authority(std::string_view text) {
  const auto parts = split(text);
  if (!parts) return std::unexpected(parts.error());
  if (!parts->port)
    return fail(Code::kMissingPort);  // never a default: the client says what it wants
  const auto port = read_port(*parts->port);
  if (!port) return std::unexpected(port.error());
  auto host = read_host(*parts);
  if (!host) return std::unexpected(host.error());
  return Authority{std::move(host->text), host->literal, *port};
}

Result<HostField> parse_host_field(std::string_view text) {
  const auto parts = split(text);
  if (!parts) return std::unexpected(parts.error());
  HostField out;
  if (parts->port) {
    const auto port = read_port(*parts->port);
    if (!port) return std::unexpected(port.error());
    out.port = *port;
  }
  auto host = read_host(*parts);
  if (!host) return std::unexpected(host.error());
  out.host = std::move(host->text);
  out.literal = host->literal;
  return out;
}

Result<std::string> canonical_name(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty() || text.size() > kNameBytes) return fail(Code::kBadHostName);
  std::string name = lower(text);
  std::string_view rest = name;
  while (true) {
    const size_t dot = rest.find('.');
    const std::string_view label = rest.substr(0, dot);
    if (!is_label(label)) return fail(Code::kBadHostName);
    if (dot == rest.npos) {
      if (is_numeric_label(label)) return fail(Code::kNumericHost);
      return name;
    }
    rest.remove_prefix(dot + 1);
  }
}

}  // namespace penstock::http
