// What is accepted is a scheme and one token68, and Basic is what encoding it again gives.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/base64.h"
#include "http/credentials.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock;
  using namespace penstock::http;
  const std::string_view value(reinterpret_cast<const char*>(data), size);
  const auto read = parse_credentials(value);
  if (!read) {
    if (read.error().code != Code::kBadCredentials) std::abort();
    return 0;
  }
  const std::string_view secret = read->secret.view();
  if (read->scheme == AuthScheme::kOther) {
    if (!secret.empty()) std::abort();
    return 0;
  }
  const std::string_view sent = value.substr(value.rfind(' ') + 1);
  if (read->scheme == AuthScheme::kBasic) {
    if (secret.find(':') == secret.npos || secret != decode_base64(sent)) std::abort();
  } else if (secret != sent) {
    std::abort();
  }
  return 0;
}
