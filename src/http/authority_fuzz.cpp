// What parse_authority accepts has one canonical text, and libc never reads a name in it as a
// number. Seeds: fuzz/corpus/authority, one spelling each.
#include <arpa/inet.h>
#include <netdb.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "http/authority.h"

namespace penstock::http {
namespace {

bool libc_takes_for_an_address(const std::string& host) {
  in_addr v4{};
  if (inet_aton(host.c_str(), &v4) != 0) return true;
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const bool taken = getaddrinfo(host.c_str(), nullptr, &hints, &found) == 0;
  if (taken) freeaddrinfo(found);
  return taken;
}

void judge(std::string_view text) {
  const auto field = parse_host_field(text);
  const auto authority = parse_authority(text);
  if (!authority) return;
  PENSTOCK_CHECK(authority->port != 0);
  PENSTOCK_CHECK(parse_authority(authority->text()) == authority);
  PENSTOCK_CHECK(field && field->port && field->agrees_with(*authority));
  if (authority->literal) {
    PENSTOCK_CHECK(authority->literal->text() == authority->host);
    return;
  }
  PENSTOCK_CHECK(authority->host.size() <= 253);
  PENSTOCK_CHECK(canonical_name(authority->host) == authority->host);
  PENSTOCK_CHECK(!libc_takes_for_an_address(authority->host));
}

}  // namespace
}  // namespace penstock::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  penstock::http::judge(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
