#include "policy/pattern.h"

#include <algorithm>
#include <optional>

#include "base/ascii.h"
#include "http/authority.h"

namespace penstock::policy {
namespace {

using Reason = std::unexpected<std::string>;

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    // Rules are read by people: a control byte or a look-alike must be visible in the report.
    if (c >= 0x20 && c < 0x7f) {
      out += c;
    } else {
      constexpr char kHex[] = "0123456789abcdef";
      const auto byte = static_cast<uint8_t>(c);
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out + "\"";
}

std::string port_text(const PortRange& range) {
  const std::string first = std::to_string(range.first);
  return range.first == range.last ? first : first + "-" + std::to_string(range.last);
}

std::expected<uint16_t, std::string> parse_port(std::string_view text) {
  if (text.empty()) return Reason("a port is missing; write for example 443 or 22,443");
  if (text == "*") return Reason("\"*\" is no port; write 1-65535 for all of them");
  if (const auto port = parse_decimal(text, 65535)) {
    if (*port == 0) return Reason("port 0 does not exist; ports are 1 to 65535");
    return static_cast<uint16_t>(*port);
  }
  if (text.size() > 1 && text[0] == '0' && std::all_of(text.begin(), text.end(), is_digit)) {
    return Reason("port " + quoted(text) + " begins with a zero; write it without");
  }
  return Reason("port " + quoted(text) + " is not a number from 1 to 65535");
}

std::expected<PortRange, std::string> parse_range(std::string_view text) {
  const size_t dash = text.find('-');
  const auto first = parse_port(text.substr(0, dash));
  if (!first) return Reason(first.error());
  if (dash == text.npos) return PortRange{*first, *first};
  const auto last = parse_port(text.substr(dash + 1));
  if (!last) return Reason(last.error());
  if (*last < *first) {
    return Reason("the port range " + std::string(text) + " runs backwards; write " +
                  port_text({*last, *first}));
  }
  return PortRange{*first, *last};
}

std::expected<std::vector<PortRange>, std::string> parse_ports(std::string_view text) {
  std::vector<PortRange> ports;
  for (size_t from = 0; from <= text.size();) {
    const size_t comma = std::min(text.find(',', from), text.size());
    const auto range = parse_range(text.substr(from, comma - from));
    if (!range) return Reason(range.error());
    ports.push_back(*range);
    from = comma + 1;
  }
  std::sort(ports.begin(), ports.end(),
            [](const PortRange& a, const PortRange& b) { return a.first < b.first; });
  for (size_t i = 1; i < ports.size(); ++i) {
    if (ports[i].first <= ports[i - 1].last) {
      return Reason("the ports say " + std::to_string(ports[i].first) + " twice (" +
                    port_text(ports[i - 1]) + " and " + port_text(ports[i]) +
                    "); name each port once");
    }
  }
  return ports;
}

// What a prefix with host bits must have meant, if the rest of it is sound.
std::optional<IpPrefix> network_of(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == text.npos) return std::nullopt;
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const auto length = parse_decimal(text.substr(slash + 1), static_cast<uint64_t>(address->bits()));
  if (!length) return std::nullopt;
  IpPrefix out{*address, static_cast<int>(*length)};
  for (int bit = out.length; bit < address->bits(); ++bit) {
    out.address.bytes[static_cast<size_t>(bit / 8)] &= static_cast<uint8_t>(~(0x80 >> (bit % 8)));
  }
  return out;
}

bool is_v6(std::string_view text) {
  const auto address = IpAddress::parse(text.substr(0, text.find('/')));
  return address && address->v6;
}

std::expected<std::string, std::string> parse_name(std::string_view text) {
  auto name = http::canonical_name(text);
  if (name) return *name;
  if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) > 127; })) {
    return Reason(quoted(text) + " is not ASCII; write the name in A-label form (xn--...)");
  }
  if (name.error().code == Code::kNumericHost) {
    return Reason(quoted(text) +
                  " looks like an address and is none; write four decimal numbers without leading "
                  "zeros, or a name");
  }
  return Reason(quoted(text) + " is not a host name; write letters, digits, hyphens and dots");
}

std::expected<Pattern, std::string> parse_host(std::string_view host, std::string_view ports) {
  if (host.empty())
    return Reason("the host is missing; write \"*:" + std::string(ports) + "\" for any");
  Pattern out;
  if (host == "*") return out;
  if (host.find('/') != host.npos || IpAddress::parse(host)) {
    const auto prefix = parse_prefix(host);
    if (!prefix) return Reason(prefix.error());
    out.kind = Pattern::Kind::kPrefix;
    out.prefix = *prefix;
    return out;
  }
  out.kind = Pattern::Kind::kName;
  if (host.starts_with("*.")) {
    out.kind = Pattern::Kind::kSuffix;
    host.remove_prefix(2);
  }
  if (host.find('*') != host.npos) {
    return Reason(quoted(host) +
                  " has a \"*\" where it means nothing; write \"*.example.com\" or \"*\"");
  }
  auto name = parse_name(host);
  if (!name) return Reason(name.error());
  out.name = std::move(*name);
  return out;
}

std::expected<Pattern, std::string> parse_bracketed(std::string_view host) {
  if (is_v6(host)) {
    const auto prefix = parse_prefix(host);
    if (!prefix) return Reason(prefix.error());
    Pattern out;
    out.kind = Pattern::Kind::kPrefix;
    out.prefix = *prefix;
    return out;
  }
  if (host.find('%') != host.npos) {
    return Reason(quoted(host) +
                  " has a zone; zones mean something on one machine only, leave it out");
  }
  return Reason("brackets hold an IPv6 address or prefix, and " + quoted(host) + " is neither");
}

// The host part and the port part of `text`, which stay views into it.
struct Halves {
  std::string_view host;
  std::string_view ports;
  bool bracketed = false;
};

std::expected<Halves, std::string> split_bracketed(std::string_view text) {
  const size_t close = text.find(']');
  if (close == text.npos) return Reason(quoted(text) + " has no closing bracket");
  const std::string_view host = text.substr(1, close - 1);
  const std::string_view rest = text.substr(close + 1);
  if (rest.empty()) {
    return Reason(quoted(text) + " says no port; write " + quoted(std::string(text) + ":443"));
  }
  if (rest[0] == '/') {
    const std::string inside = std::string(host) + std::string(rest.substr(0, rest.find(':')));
    return Reason("the length belongs inside the brackets; write " +
                  quoted("[" + inside + "]:443"));
  }
  if (rest[0] != ':') return Reason(quoted(rest) + " stands where \":port\" should");
  return Halves{host, rest.substr(1), true};
}

// What no pattern has in it. `right`: what to write, and an example of it.
struct Right {
  std::string_view what;
  std::string_view example;
};
std::optional<std::string> foreign_part(std::string_view text, const Right& right) {
  const std::string example = quoted(right.example);
  if (text.empty()) return "the pattern is empty; write for example " + example;
  if (text.find_first_of(" \t\r\n") != text.npos) {
    return quoted(text) + " has white space in it; write one pattern without any";
  }
  if (text.find("://") != text.npos) {
    return quoted(text) + " has a scheme; write " + std::string(right.what) + " only, " + example;
  }
  if (text.find('@') != text.npos) {
    return quoted(text) + " has user information (@); write " + std::string(right.what) + " only";
  }
  return std::nullopt;
}

std::expected<Halves, std::string> split(std::string_view text) {
  if (const auto why = foreign_part(text, {"host and port", "api.example.com:443"})) {
    return Reason(*why);
  }
  if (text[0] == '[') return split_bracketed(text);
  if (is_v6(text) && (text.find('/') == text.npos || network_of(text))) {
    return Reason(quoted(text) + " needs brackets and a port; write " +
                  quoted("[" + std::string(text) + "]:443"));
  }
  const size_t colon = text.rfind(':');
  if (colon == text.npos) {
    return Reason(quoted(text) + " says no port; write " + quoted(std::string(text) + ":443"));
  }
  const Halves out{text.substr(0, colon), text.substr(colon + 1)};
  if (is_v6(out.host)) {
    return Reason("an IPv6 address needs brackets; write " +
                  quoted("[" + std::string(out.host) + "]:" + std::string(out.ports)));
  }
  if (out.host.find(':') != out.host.npos) {
    return Reason(quoted(text) + " has more than one colon; write host:port");
  }
  return out;
}

}  // namespace

std::expected<IpPrefix, std::string> parse_prefix(std::string_view text) {
  if (const auto prefix = IpPrefix::parse(text)) return *prefix;
  if (const auto network = network_of(text)) {
    return Reason(quoted(text) + " has bits behind its length; the network is " + network->text());
  }
  const size_t slash = text.find('/');
  if (const auto address = IpAddress::parse(text.substr(0, slash))) {
    return Reason(quoted(text.substr(slash + 1)) + " is no prefix length; write 0 to " +
                  std::to_string(address->bits()) + " without leading zeros");
  }
  return Reason(quoted(text) +
                " is not an address or prefix; write for example 10.0.0.0/8 or fd00::/8");
}

std::expected<Pattern, std::string> parse_pattern(std::string_view text) {
  const auto halves = split(text);
  if (!halves) return Reason(halves.error());
  auto pattern =
      halves->bracketed ? parse_bracketed(halves->host) : parse_host(halves->host, halves->ports);
  if (!pattern) return Reason(pattern.error());
  auto ports = parse_ports(halves->ports);
  if (!ports) return Reason(ports.error());
  pattern->ports = std::move(*ports);
  return pattern;
}

std::expected<Pattern, std::string> parse_host_pattern(std::string_view text) {
  if (const auto why = foreign_part(text, {"the host", "*.bank.example"})) return Reason(*why);
  if (text[0] == '[' && text.back() == ']') return parse_bracketed(text.substr(1, text.size() - 2));
  if (is_v6(text)) return parse_bracketed(text);
  if (text.find_first_of("[]:") != text.npos) {
    return Reason(quoted(text) + " is more than a host; write it without port and brackets");
  }
  return parse_host(text, {});
}

std::string Pattern::text() const {
  std::string out;
  switch (kind) {
    case Kind::kName: out = name; break;
    case Kind::kSuffix: out = "*." + name; break;
    case Kind::kAny: out = "*"; break;
    case Kind::kPrefix: {
      const std::string bare =
          prefix.length == prefix.address.bits() ? prefix.address.text() : prefix.text();
      out = prefix.address.v6 ? "[" + bare + "]" : bare;
      break;
    }
  }
  char separator = ':';
  for (const PortRange& range : ports) {
    out += separator + port_text(range);
    separator = ',';
  }
  return out;
}

}  // namespace penstock::policy
