#include "identity/key_set.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/param_build.h>

#include <algorithm>

#include "base/base64.h"
#include "base/bytes.h"
#include "identity/strict_json.h"

namespace penstock::identity {

using nlohmann::json;

namespace {

constexpr int kRsaBitsMin = 2048;  // NIST SP 800-131A; RFC 7518 section 3.3
constexpr int kRsaBitsMax = 8192;  // a check takes time that grows with the square
constexpr int kExponentBitsMax = 32;
constexpr size_t kCoordinateBytes = 32;  // of P-256, and all of an Ed25519 key

struct Free {
  void operator()(BIGNUM* number) const { BN_free(number); }
  void operator()(OSSL_PARAM_BLD* builder) const { OSSL_PARAM_BLD_free(builder); }
  void operator()(OSSL_PARAM* params) const { OSSL_PARAM_free(params); }
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(ECDSA_SIG* signature) const { ECDSA_SIG_free(signature); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

Owned<BIGNUM> number_of(std::string_view big_endian) {
  const auto bytes = bytes_of(big_endian);
  return Owned<BIGNUM>(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
}

// The bytes of a member in base64url.
std::optional<std::string> bytes_in(const json& key, const char* name) {
  const std::string* text = string_in(key, name);
  return text == nullptr ? std::nullopt : decode_base64url(*text);
}

EVP_PKEY* key_from(const char* type, OSSL_PARAM_BLD* builder) {
  const Owned<OSSL_PARAM> params(OSSL_PARAM_BLD_to_param(builder));
  const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* out = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &out, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return nullptr;
  }
  return out;
}

// Null, and `why`, if it is none that we take.
EVP_PKEY* rsa_key(const json& key, std::string& why) {
  const auto n = bytes_in(key, "n");
  const auto e = bytes_in(key, "e");
  if (!n || !e || n->size() > kKeySetBytesMax || e->size() > 16) {
    why = "is not an RSA key: n and e must be base64url";
    return nullptr;
  }
  const auto modulus = number_of(*n);
  const auto exponent = number_of(*e);
  const int bits = BN_num_bits(modulus.get());
  if (bits < kRsaBitsMin || bits > kRsaBitsMax) {
    why = "is an RSA key of " + std::to_string(bits) + " bits; 2048 to 8192 are right";
    return nullptr;
  }
  if (BN_num_bits(exponent.get()) > kExponentBitsMax || !BN_is_odd(exponent.get()) ||
      BN_is_one(exponent.get()) || !BN_is_odd(modulus.get())) {
    why = "is an RSA key that is none: n and e must be odd, and e from 3 on";
    return nullptr;
  }
  const Owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
  EVP_PKEY* const out = key_from("RSA", builder.get());
  if (out == nullptr) why = "is not an RSA key";
  return out;
}

EVP_PKEY* ec_key(const json& key, std::string& why) {
  const auto x = bytes_in(key, "x");
  const auto y = bytes_in(key, "y");
  if (x && y && x->size() == kCoordinateBytes && y->size() == kCoordinateBytes) {
    const std::string point = '\x04' + *x + *y;
    const Owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
    OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
    OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                     point.size());
    // A point that is not on the curve makes no key.
    if (EVP_PKEY* const out = key_from("EC", builder.get())) return out;
  }
  why = "is not a P-256 key: x and y must be a point, 32 bytes each in base64url";
  return nullptr;
}

EVP_PKEY* ed25519_key(const json& key, std::string& why) {
  const auto x = bytes_in(key, "x");
  EVP_PKEY* out = nullptr;
  if (x && x->size() == kCoordinateBytes) {
    out = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(*x).data(), x->size());
  }
  if (out == nullptr) why = "is not an Ed25519 key: x must be 32 bytes in base64url";
  return out;
}

// Two numbers of 32 bytes, which OpenSSL wants in DER (RFC 7518 section 3.4).
std::string ecdsa_der(std::string_view signature) {
  const Owned<ECDSA_SIG> parts(ECDSA_SIG_new());
  auto r = number_of(signature.substr(0, kCoordinateBytes));
  auto s = number_of(signature.substr(kCoordinateBytes));
  if (!parts || !r || !s) return {};
  ECDSA_SIG_set0(parts.get(), r.release(), s.release());  // fails for null only
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(parts.get(), &der);
  if (size <= 0) return {};
  std::string out(der, der + size);
  OPENSSL_free(der);
  return out;
}

// Meant for signatures, as far as the key says (RFC 7517 sections 4.2 and 4.3).
bool is_for_signatures(const json& key) {
  if (key.contains("use")) {
    const std::string* use = string_in(key, "use");
    if (use == nullptr || *use != "sig") return false;
  }
  const auto operations = key.find("key_ops");
  return operations == key.end() ||
         (operations->is_array() && std::ranges::find(*operations, "verify") != operations->end());
}

// The algorithm of a key of this kind; empty: it has none of ours.
std::optional<Algorithm> algorithm_of(const json& key, const std::string& type) {
  const std::string* curve = string_in(key, "crv");
  std::optional<Algorithm> out;
  if (type == "RSA") out = Algorithm::kRs256;
  if (type == "EC" && curve && *curve == "P-256") out = Algorithm::kEs256;
  if (type == "OKP" && curve && *curve == "Ed25519") out = Algorithm::kEdDsa;
  if (out && key.contains("alg")) {
    const std::string* alg = string_in(key, "alg");
    if (alg == nullptr || *alg != algorithm_word(*out)) return std::nullopt;
  }
  return out;
}

EVP_PKEY* public_key(const json& key, Algorithm algorithm, std::string& why) {
  switch (algorithm) {
    case Algorithm::kRs256: return rsa_key(key, why);
    case Algorithm::kEs256: return ec_key(key, why);
    case Algorithm::kEdDsa: return ed25519_key(key, why);
  }
  return nullptr;
}

}  // namespace

std::string_view algorithm_word(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kRs256: return "RS256";
    case Algorithm::kEs256: return "ES256";
    case Algorithm::kEdDsa: return "EdDSA";
  }
  return "";
}

bool Key::signed_it(std::string_view text, std::string_view signature) const {
  std::string der;
  if (algorithm_ == Algorithm::kEs256) {
    if (signature.size() != 2 * kCoordinateBytes) return false;
    der = ecdsa_der(signature);
    signature = der;
  }
  if (algorithm_ == Algorithm::kRs256 &&
      signature.size() != static_cast<size_t>(EVP_PKEY_get_size(key_.get()))) {
    return false;
  }
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  const EVP_MD* const digest = algorithm_ == Algorithm::kEdDsa ? nullptr : EVP_sha256();
  if (!context || EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key_.get()) != 1) {
    return false;
  }
  const auto sign = bytes_of(signature);
  const auto what = bytes_of(text);
  return EVP_DigestVerify(context.get(), sign.data(), sign.size(), what.data(), what.size()) == 1;
}

std::expected<KeySet, std::string> KeySet::parse(std::string_view text) {
  if (text.size() > kKeySetBytesMax) return std::unexpected("is larger than 256 KiB");
  const auto document = parse_strict(text);
  if (!document || !document->is_object() || !document->contains("keys") ||
      !(*document)["keys"].is_array()) {
    return std::unexpected(R"(is not a JSON Web Key Set: {"keys": [...]}, no name twice)");
  }
  const json& keys = (*document)["keys"];
  if (keys.size() > kKeysMax) return std::unexpected("has more than 64 keys");
  KeySet out;
  int number = 0;
  for (const json& key : keys) {
    const std::string which = "key " + std::to_string(++number) + " ";
    const std::string* type = key.is_object() ? string_in(key, "kty") : nullptr;
    if (type == nullptr) return std::unexpected(which + "has no kty");
    if (*type == "oct") {
      return std::unexpected(which +
                             "is symmetric (oct), so whoever reads this file could sign; "
                             "use RSA, P-256 or Ed25519");
    }
    if (key.contains("d")) {
      return std::unexpected(which + "is a private key (d); only the public half belongs here");
    }
    const auto algorithm = algorithm_of(key, *type);
    if (!algorithm || !is_for_signatures(key)) continue;
    std::string why;
    Key one;
    one.algorithm_ = *algorithm;
    one.key_.reset(public_key(key, *algorithm, why));
    if (!one.key_) return std::unexpected(which + why);
    if (key.contains("kid")) {
      const std::string* id = string_in(key, "kid");
      if (id == nullptr) return std::unexpected(which + "has a kid that is no text");
      if (out.find(*id) != nullptr) return std::unexpected(which + "has the kid of another");
      one.id_ = *id;
    }
    out.keys_.push_back(std::move(one));
  }
  if (out.keys_.empty()) {
    return std::unexpected(
        "has no key that is taken: RSA (RS256), EC on P-256 (ES256) or Ed25519 (EdDSA), for sig");
  }
  return out;
}

const Key* KeySet::find(const std::optional<std::string>& id) const {
  if (!id) return keys_.size() == 1 ? &keys_.front() : nullptr;
  const auto found = std::ranges::find(keys_, id, &Key::id);
  return found == keys_.end() ? nullptr : &*found;
}

}  // namespace penstock::identity
