#include "fetch/url.h"

#include <curl/curl.h>

#include <algorithm>
#include <memory>

#include "base/ip.h"

namespace penstock::fetch {
namespace {

struct Free {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
  void operator()(char* text) const { curl_free(text); }
};

std::string part(CURLU* url, CURLUPart which) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, 0) != CURLUE_OK) return {};
  const std::unique_ptr<char, Free> owned(text);
  return text;
}

// "localhost" is loopback in libcurl, whatever a name server says, and the fetcher looks at the
// address once more before it asks.
bool names_this_machine(std::string_view host) {
  if (host == "localhost") return true;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto address = IpAddress::parse(host);
  return address && is_this_machine(*address);
}

}  // namespace

bool is_this_machine(const IpAddress& address) {
  static const IpAddress kLoopback = *IpAddress::parse("::1");
  return address.v6 ? address == kLoopback : address.bytes[0] == 127;
}

std::expected<Url, std::string> parse_url(const std::string& text) {
  const auto refuse = [](const char* why) { return std::unexpected(std::string(why)); };
  if (text.size() > kUrlBytesMax) return refuse("is longer than 2 KiB");
  if (!std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; })) {
    return refuse("has a byte that is no printable ASCII; write it as %XX");
  }
  // libcurl's own reading, so that what is judged is what is asked.
  const std::unique_ptr<CURLU, Free> url(curl_url());
  if (!url || curl_url_set(url.get(), CURLUPART_URL, text.c_str(), CURLU_DISALLOW_USER) ==
                  CURLUE_USER_NOT_ALLOWED) {
    return refuse("has a user in it; a secret has no place in a URL");
  }
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) {
    return refuse("is no URL such as https://login.example.com/keys");
  }
  if (text.contains('#')) return refuse("has a fragment (#), which no server sees; remove it");
  const std::string scheme = part(url.get(), CURLUPART_SCHEME);
  if (scheme != "https" && scheme != "http") return refuse("is neither https:// nor http://");
  const Url out{.encrypted = scheme == "https"};
  if (!out.encrypted && !names_this_machine(part(url.get(), CURLUPART_HOST))) {
    return refuse(
        "is not encrypted and leaves this machine, so that anybody on the way could answer; "
        "use https://");
  }
  return out;
}

}  // namespace penstock::fetch
