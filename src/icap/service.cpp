#include "icap/service.h"

#include <utility>

#include "http/proxy_url.h"

namespace penstock::icap {
namespace {

constexpr std::string_view kExample = "icap://127.0.0.1:1344/avscan";

bool is_path_byte(char c) {
  return c > ' ' && c < 0x7f && c != '#' && c != '"' && c != '<' && c != '>';
}

}  // namespace

size_t find_service(const Services& services, std::string_view name) {
  const auto found = std::ranges::find_if(
      services, [name](const ServicePtr& service) { return service->name == name; });
  return static_cast<size_t>(found - services.begin());
}

std::expected<ServiceUrl, std::string> parse_service_url(std::string_view text) {
  std::string_view rest = text;
  if (!http::take_prefix(rest, "icaps://").empty()) {
    return std::unexpected("icaps:// would be ICAP in TLS, which is not spoken; write " +
                           std::string(kExample) + ", for example");
  }
  if (http::take_prefix(rest, "icap://").empty()) {
    return std::unexpected("\"" + std::string(text.substr(0, text.find("://"))) +
                           "\" does not begin a URL of ICAP; write " + std::string(kExample) +
                           ", for example");
  }
  const size_t slash = std::min(rest.find_first_of("/?"), rest.size());
  auto authority = http::parse_place(rest.substr(0, slash), kPort);
  if (!authority) {
    return std::unexpected(authority.error() + " Write " + std::string(kExample) +
                           ", for example.");
  }
  const std::string_view path = rest.substr(slash);
  if (!path.starts_with('/') || path.size() < 2) {
    return std::unexpected("the URL names no service behind the host; write " +
                           std::string(kExample) + ", for example");
  }
  if (!std::ranges::all_of(path, is_path_byte)) {
    return std::unexpected("the path of the URL has a character that URLs do not have");
  }
  return ServiceUrl{std::move(*authority), std::string(path)};
}

}  // namespace penstock::icap
