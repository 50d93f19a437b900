// No bytes make a token: nobody has signed them. Signed, with the key that RFC 8037 has printed,
// they are claims, and what is accepted of those names somebody, for a time that is still to come.
#include <openssl/evp.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "base/base64.h"
#include "base/bytes.h"
#include "identity/base64url_test.h"
#include "identity/jwt.h"

namespace {

using namespace penstock;
using namespace penstock::identity;

constexpr int64_t kNow = 1'700'000'000;

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

std::string signed_token(std::string_view claims) {
  static const std::string seed = *decode_base64url("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
  static const std::unique_ptr<EVP_PKEY, Free> key(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes_of(seed).data(), seed.size()));
  const std::string text = base64url(R"({"alg":"EdDSA","kid":"k"})") + "." + base64url(claims);
  const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
  std::string signature(64, '\0');
  size_t size = signature.size();
  if (EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     bytes_of(text).data(), text.size()) != 1) {
    std::abort();
  }
  return text + "." + base64url(signature);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const KeySet keys = KeySet::parse(R"({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k",
                       "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})")
                                 .value();
  static const JwtRules rules{"issuer", {"penstock"}, "/a/b", "groups", std::chrono::seconds(30)};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (check_token(text, keys, rules, kNow)) std::abort();
  const auto holder = check_token(signed_token(text), keys, rules, kNow);
  if (holder && (!is_sound(holder->identity) || holder->expires <= kNow)) std::abort();
  // The same bytes as a set of keys.
  const auto set = KeySet::parse(text);
  if (set && (set->size() == 0 || set->size() > kKeysMax)) std::abort();
  return 0;
}
