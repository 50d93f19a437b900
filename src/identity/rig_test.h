// An issuer of tokens: keys of its own, the set that it publishes, and tokens signed with them. For
// tests only.
#pragma once

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "identity/base64url_test.h"

namespace penstock::identity {

// A private key, and what of it is public.
class SigningKey {
 public:
  static SigningKey rsa(std::string id, unsigned int bits = 2048) {
    return {std::move(id), "RS256", EVP_RSA_gen(bits)};
  }
  static SigningKey ec(std::string id) { return {std::move(id), "ES256", EVP_EC_gen("P-256")}; }
  static SigningKey ed25519(std::string id) {
    return {std::move(id), "EdDSA", EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")};
  }

  nlohmann::json jwk() const {
    nlohmann::json out{{"kid", id_}, {"use", "sig"}, {"alg", algorithm_}};
    if (algorithm_ == "RS256") {
      out["kty"] = "RSA";
      out["n"] = number(OSSL_PKEY_PARAM_RSA_N, 0);
      out["e"] = number(OSSL_PKEY_PARAM_RSA_E, 0);
    } else if (algorithm_ == "ES256") {
      out["kty"] = "EC";
      out["crv"] = "P-256";
      out["x"] = number(OSSL_PKEY_PARAM_EC_PUB_X, 32);
      out["y"] = number(OSSL_PKEY_PARAM_EC_PUB_Y, 32);
    } else {
      std::string raw(32, '\0');
      size_t size = raw.size();
      EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(raw.data()), &size);
      out["kty"] = "OKP";
      out["crv"] = "Ed25519";
      out["x"] = base64url(raw);
    }
    return out;
  }

  // In the form of JWS.
  std::string sign(std::string_view text) const {
    const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
    const EVP_MD* digest = algorithm_ == "EdDSA" ? nullptr : EVP_sha256();
    EXPECT_EQ(EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key_.get()), 1);
    std::string out(1024, '\0');
    size_t size = out.size();
    auto* to = reinterpret_cast<unsigned char*>(out.data());
    EXPECT_EQ(EVP_DigestSign(context.get(), to, &size, bytes_of(text).data(), text.size()), 1);
    out.resize(size);
    return algorithm_ == "ES256" ? raw_ecdsa(out) : out;
  }

  std::string token(nlohmann::json header, const nlohmann::json& claims) const {
    return signed_text(header.dump(), claims.dump());
  }
  // With the header that belongs to it.
  std::string token(const nlohmann::json& claims) const {
    return token({{"alg", algorithm_}, {"kid", id_}, {"typ", "JWT"}}, claims);
  }
  std::string signed_text(const std::string& header, const std::string& payload) const {
    const std::string text = base64url(header) + "." + base64url(payload);
    return text + "." + base64url(sign(text));
  }

  const std::string& id() const { return id_; }

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    void operator()(ECDSA_SIG* signature) const { ECDSA_SIG_free(signature); }
    void operator()(BIGNUM* number) const { BN_free(number); }
  };
  SigningKey(std::string id, std::string algorithm, EVP_PKEY* key)
      : id_(std::move(id)), algorithm_(std::move(algorithm)), key_(key) {}

  static std::string padded(const BIGNUM* number, int size) {
    const int bytes = size == 0 ? BN_num_bytes(number) : size;
    std::string out(static_cast<size_t>(bytes), '\0');
    BN_bn2binpad(number, reinterpret_cast<unsigned char*>(out.data()), bytes);
    return out;
  }
  std::string number(const char* name, int size) const {
    BIGNUM* found = nullptr;
    EXPECT_EQ(EVP_PKEY_get_bn_param(key_.get(), name, &found), 1) << name;
    const std::unique_ptr<BIGNUM, Free> owned(found);
    return base64url(padded(found, size));
  }
  static std::string raw_ecdsa(const std::string& der) {
    const unsigned char* from = bytes_of(der).data();
    const std::unique_ptr<ECDSA_SIG, Free> parts(
        d2i_ECDSA_SIG(nullptr, &from, static_cast<long>(der.size())));
    return padded(ECDSA_SIG_get0_r(parts.get()), 32) + padded(ECDSA_SIG_get0_s(parts.get()), 32);
  }

  std::string id_;
  std::string algorithm_;
  std::unique_ptr<EVP_PKEY, Free> key_;
};

inline std::string set_of(const std::vector<nlohmann::json>& keys) {
  return nlohmann::json{{"keys", keys}}.dump();
}

// A file of the test's own, gone with it.
class TestFile {
 public:
  explicit TestFile(std::string_view text) {
    static int count = 0;
    path_ = testing::TempDir() + "identity-" + std::to_string(::getpid()) + "-" +
            std::to_string(++count);
    write(text);
  }
  TestFile(const TestFile&) = delete;
  TestFile& operator=(const TestFile&) = delete;
  ~TestFile() { std::filesystem::remove(path_); }

  // Another file in its place, whatever the clock of the file system.
  void write(std::string_view text) {
    std::ofstream(path_, std::ios::trunc) << text;
    const auto later = std::chrono::seconds(++writes_);
    std::filesystem::last_write_time(path_, std::filesystem::file_time_type::clock::now() + later);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int writes_ = 0;
};

}  // namespace penstock::identity
