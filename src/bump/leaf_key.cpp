// A key of the kind that OpenSSL had before version 3. One of today's is taken apart and read anew
// each time that it is put into a certificate (180 us); this one is put there as it is (3 us).
#define OPENSSL_API_COMPAT 0x10100000L

#include "bump/leaf_key.h"

#include <openssl/ec.h>
#include <openssl/evp.h>

#include "base/check.h"

namespace penstock::bump {
namespace {

EVP_PKEY* new_key() {
  EC_KEY* const pair = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
  EVP_PKEY* const out = EVP_PKEY_new();
  PENSTOCK_CHECK(pair && out && EC_KEY_generate_key(pair) == 1);
  PENSTOCK_CHECK(EVP_PKEY_assign_EC_KEY(out, pair) == 1);
  return out;
}

}  // namespace

tls::OwnedKey leaf_key() {
  static const tls::OwnedKey key(new_key());
  PENSTOCK_CHECK(EVP_PKEY_up_ref(key.get()) == 1);
  return tls::OwnedKey(key.get());
}

}  // namespace penstock::bump
