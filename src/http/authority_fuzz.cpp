// What parse_authority accepts has one canonical text, and libc never reads a name in it as a
// number. Seeds: fuzz/corpus/authority, one spelling each.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "http/authority.h"
#include "http/libc_reading.h"

namespace penstock::http {
namespace {

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
