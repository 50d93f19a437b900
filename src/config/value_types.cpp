#include "config/value_types.h"

#include <algorithm>

#include "base/ascii.h"
#include "fetch/url.h"
#include "http/structured.h"
#include "identity/keytab.h"

namespace penstock::config {
namespace {

constexpr uint16_t kDnsPort = 53;
// Names go into every log line and metric label.
constexpr size_t kNameBytesMax = 128;

// `parse` takes a text and gives a value or nothing.
template <class Parse, class T>
void read_by(Parse&& parse, const Node& node, const Path& path, std::string_view what,
             Faults& faults, T& out) {
  const std::string* text = text_of(node, path, what, faults);
  if (text == nullptr) return;
  if (const auto value = parse(*text)) {
    out = *value;
  } else {
    blame_expected(node, path, what, faults);
  }
}

// For read_by(): a text that is short enough for a name, and such a one.
template <auto is_such>
std::optional<std::string> name_that(const std::string& text) {
  if (!is_such(text) || text.size() > kNameBytesMax) return std::nullopt;
  return text;
}

}  // namespace

void read_endpoint(const Node& node, const Path& path, Faults& faults, Endpoint& out) {
  constexpr std::string_view kWhat = "address and port, such as 127.0.0.1:3128 or \"[::1]:3128\"";
  read_by(Endpoint::parse, node, path, kWhat, faults, out);
}

void read_dns_server(const Node& node, const Path& path, Faults& faults, Endpoint& out) {
  constexpr std::string_view kWhat =
      "the address of a server, with a port unless it is 53, such as 10.0.0.53 or "
      "\"[fd00::53]:5353\"";
  const std::string* text = text_of(node, path, kWhat, faults);
  if (text == nullptr) return;
  const auto address = IpAddress::parse(*text);
  const auto endpoint = address ? Endpoint{*address, kDnsPort} : Endpoint::parse(*text);
  if (endpoint && endpoint->port != 0) {
    out = *endpoint;
  } else {
    blame_expected(node, path, kWhat, faults);
  }
}

void read_address(const Node& node, const Path& path, Faults& faults, IpAddress& out) {
  constexpr std::string_view kWhat = "an IP address, such as 192.0.2.1 or \"2001:db8::1\"";
  read_by(IpAddress::parse, node, path, kWhat, faults, out);
}

void read_prefix(const Node& node, const Path& path, Faults& faults, IpPrefix& out) {
  constexpr std::string_view kWhat =
      "an address or a range without host bits, such as 10.0.0.0/8 or \"fd00::/8\"";
  read_by(IpPrefix::parse, node, path, kWhat, faults, out);
}

// A pattern would be understood, and then never match: connections are kept for one destination.
void read_authority(const Node& node, const Path& path, Faults& faults, http::Authority& out) {
  const std::string* text = text_of(node, path, "host:port, such as api.example.com:443", faults);
  if (text == nullptr) return;
  const auto authority = http::parse_authority(*text);
  if (authority) {
    out = *authority;
  } else {
    blame(node, path,
          quote(*text) +
              " is not one destination; write host:port, such as api.example.com:443, "
              "and no pattern",
          faults);
  }
}

void read_name(const Node& node, const Path& path, Faults& faults, std::string& out) {
  constexpr std::string_view kWhat = "a name of 1 to 128 bytes on one line";
  const std::string* text = text_of(node, path, kWhat, faults);
  if (text == nullptr) return;
  const bool one_line =
      std::ranges::none_of(*text, [](char c) { return static_cast<uint8_t>(c) < 0x20; });
  if (one_line && !text->empty() && text->size() <= kNameBytesMax) {
    out = *text;
  } else {
    blame_expected(node, path, kWhat, faults);
  }
}

// It is sent between quotes, and what would end them has no place in it.
void read_realm(const Node& node, const Path& path, Faults& faults, std::string& out) {
  constexpr std::string_view kWhat =
      "1 to 128 printable ASCII characters without quotes and backslashes";
  const std::string* text = text_of(node, path, kWhat, faults);
  if (text == nullptr) return;
  const bool sound = std::ranges::all_of(
      *text, [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
  if (sound && !text->empty() && text->size() <= kNameBytesMax) {
    out = *text;
  } else {
    blame_expected(node, path, kWhat, faults);
  }
}

// A path that depends on where the proxy was started from would be another file tomorrow.
// A bare word must be one that we know: `stdot` should not make a file of that name.
void read_log_target(const Node& node, const Path& path, Faults& faults, std::string& out) {
  constexpr std::string_view kWhat =
      "stdout, stderr, off or the path of a file with a slash in it, such as "
      "/var/log/penstock/access.log";
  const std::string* text = text_of(node, path, kWhat, faults);
  if (text == nullptr) return;
  const bool word = *text == "stdout" || *text == "stderr" || *text == "off";
  const bool file = text->contains('/') && !text->ends_with('/') && !text->contains('\0');
  if (word || file) {
    out = *text;
  } else {
    blame_expected(node, path, kWhat, faults);
  }
}

// Relative to nothing: who starts the proxy, and where, would decide which file it is.
void read_file_path(const Node& node, const Path& path, Faults& faults, Located<std::string>& out) {
  constexpr std::string_view kWhat =
      "the path of a file from the root on, such as /etc/penstock/users";
  const std::string* text = text_of(node, path, kWhat, faults);
  if (text == nullptr) return;
  if (text->starts_with('/') && !text->ends_with('/') && !text->contains('\0')) {
    out = {*text, node.place};
  } else {
    blame_expected(node, path, kWhat, faults);
  }
}

void read_service(const Node& node, const Path& path, Faults& faults, std::string& out) {
  constexpr std::string_view kWhat = "a service and its host, such as HTTP@proxy.example.com";
  read_by(name_that<identity::is_service>, node, path, kWhat, faults, out);
}

void read_field_name(const Node& node, const Path& path, Faults& faults, std::string& out) {
  constexpr std::string_view kWhat = "the name of a header field, such as Remote-User";
  read_by(name_that<http::is_token>, node, path, kWhat, faults, out);
}

// Of the proxy's own: what it asks there, it believes.
void read_url(const Node& node, const Path& path, Faults& faults, Located<std::string>& out) {
  const std::string* text = text_of(node, path, "a URL such as https://login.example.com/", faults);
  if (text == nullptr) return;
  const auto url = fetch::parse_url(*text);
  if (url) {
    out = {*text, node.place};
  } else {
    // Not the text: it may hold a secret.
    blame(node, path, "this URL " + url.error(), faults);
  }
}

void read_file_or_url(const Node& node, const Path& path, Faults& faults,
                      Located<std::string>& out) {
  constexpr std::string_view kWhat =
      "the path of a file from the root on, or a URL such as https://login.example.com/keys";
  const std::string* text = text_of(node, path, kWhat, faults);
  if (text == nullptr) return;
  if (identity::is_url(*text)) {
    read_url(node, path, faults, out);
  } else if (text->starts_with('/')) {
    read_file_path(node, path, faults, out);
  } else {
    blame_expected(node, path, kWhat, faults);
  }
}

void read_bandwidth(const Node& node, const Path& path, Faults& faults, uint64_t& out) {
  read_by(parse_bandwidth, node, path, "a rate such as 10MiB/s, or 0 for no limit", faults, out);
}

void read_count_rate(const Node& node, const Path& path, Faults& faults, admission::Ration& out) {
  constexpr std::string_view kWhat = "a rate above 0, such as 50/s, 300/m, 1000/h or 5000/d";
  read_by(parse_count_rate, node, path, kWhat, faults, out);
}

void read_size_rate(const Node& node, const Path& path, Faults& faults, admission::Ration& out) {
  constexpr std::string_view kWhat = "bytes above 0 in an interval, such as 10GiB/h or 1GiB/d";
  read_by(parse_size_rate, node, path, kWhat, faults, out);
}

// 0 would be "no limit" elsewhere and "nothing passes" to some readers.
void read_shared_bandwidth(const Node& node, const Path& path, Faults& faults, uint64_t& out) {
  constexpr std::string_view kWhat = "a rate above 0, such as 100MiB/s; leave it out for no limit";
  const auto parse = [](std::string_view text) {
    const auto value = parse_bandwidth(text);
    return value == uint64_t{0} ? std::nullopt : value;
  };
  read_by(parse, node, path, kWhat, faults, out);
}

void read_located_text(const Node& node, const Path& path, Faults& faults,
                       Located<std::string>& out) {
  const std::string* text = text_of(node, path, "text", faults);
  if (text != nullptr) out = {*text, node.place};
}

void read_auto_count(const Node& node, const Path& path, Faults& faults, uint64_t max,
                     std::optional<uint64_t>& out) {
  const std::string what = "auto or a whole number from 0 to " + std::to_string(max);
  const std::string* text = text_of(node, path, what, faults);
  if (text == nullptr) return;
  const auto value = node.in_quotes ? std::nullopt : parse_decimal(*text, max);
  if (value || *text == "auto") {
    out = value;
  } else {
    blame_expected(node, path, what, faults);
  }
}

void read_auto_size(const Node& node, const Path& path, Faults& faults, uint64_t min,
                    std::optional<uint64_t>& out) {
  const std::string what = "auto, 0B for no limit, or a size from " + size_text(min) + " on";
  const std::string* text = text_of(node, path, what, faults);
  if (text == nullptr) return;
  const auto value = parse_size(*text);
  if (*text == "auto" || (value && (*value == 0 || *value >= min))) {
    out = value;
  } else {
    blame_expected(node, path, what, faults);
  }
}

void read_switchable_duration(const Node& node, const Path& path, Faults& faults, Duration min,
                              Duration max, Duration& out) {
  const std::string what =
      "0s for off, or a duration from " + duration_text(min) + " to " + duration_text(max);
  const std::string* text = text_of(node, path, what, faults);
  if (text == nullptr) return;
  const auto value = parse_duration(*text);
  if (value && (*value == Duration::zero() || (*value >= min && *value <= max))) {
    out = *value;
  } else {
    blame_expected(node, path, what, faults);
  }
}

}  // namespace penstock::config
