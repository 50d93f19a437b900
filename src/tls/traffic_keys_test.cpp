#include "tls/traffic_keys.h"

#include <gmock/gmock.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include <algorithm>
#include <string>
#include <vector>

namespace penstock::tls {
namespace {

using sys::kernel_tls::Cipher;
using testing::ElementsAreArray;

std::vector<uint8_t> bytes_of(std::string_view hex) {
  std::vector<uint8_t> out;
  std::string digits;
  std::ranges::copy_if(hex, std::back_inserter(digits), [](char c) { return c != ' '; });
  for (size_t i = 0; i < digits.size(); i += 2) {
    out.push_back(static_cast<uint8_t>(std::stoul(digits.substr(i, 2), nullptr, 16)));
  }
  return out;
}

TrafficSecret secret_of(std::string_view hex) {
  TrafficSecret out;
  const auto bytes = bytes_of(hex);
  std::ranges::copy(bytes, out.bytes.begin());
  out.size = static_cast<uint8_t>(bytes.size());
  return out;
}

// RFC 8448 section 3, "Simple 1-RTT Handshake": {server} and {client} derive write traffic keys for
// application data.
TEST(TrafficKeys, AreThoseOfRfc8448) {
  struct Side {
    const char* secret;
    const char* key;
    const char* nonce;
  };
  const Side sides[] = {
      {"a1 1a f9 f0 55 31 f8 56 ad 47 11 6b 45 a9 50 32 82 04 b4 f4 4b fb 6b 3a 4b 4f 1f 3f cb 63 "
       "16 43",
       "9f 02 28 3b 6c 9c 07 ef c2 6b b9 f2 ac 92 e3 56", "cf 78 2b 88 dd 83 54 9a ad f1 e9 84"},
      {"9e 40 64 6c e7 9a 7f 9d c0 5a f8 88 9b ce 65 52 87 5a fa 0b 06 df 00 87 f7 92 eb b7 c1 75 "
       "04 a5",
       "17 42 2d da 59 6e d5 d9 ac d8 90 e3 c6 3f 50 51", "5b 78 92 3d ee 08 57 90 33 e5 23 d9"}};
  for (const Side& side : sides) {
    Keys keys;
    keys.cipher = Cipher::kAes128Gcm;
    derive(EVP_sha256(), secret_of(side.secret), keys);
    EXPECT_THAT(std::span(keys.key).first(16), ElementsAreArray(bytes_of(side.key)));
    EXPECT_THAT(keys.nonce, ElementsAreArray(bytes_of(side.nonce)));
    EXPECT_TRUE(std::ranges::all_of(std::span(keys.key).last(16), [](int b) { return b == 0; }));
  }
}

// OpenSSL's own functions beside ours; HKDF's is the oracle for the second generation as well.
class Oracle {
 public:
  explicit Oracle(const char* name)
      : function_(EVP_KDF_fetch(nullptr, name, nullptr)), context_(EVP_KDF_CTX_new(function_)) {}
  ~Oracle() {
    EVP_KDF_CTX_free(context_);
    EVP_KDF_free(function_);
  }
  Oracle(const Oracle&) = delete;
  Oracle& operator=(const Oracle&) = delete;

  std::vector<uint8_t> derive(std::vector<OSSL_PARAM> parameters, size_t size) {
    std::vector<uint8_t> out(size);
    parameters.push_back(OSSL_PARAM_construct_end());
    EXPECT_EQ(EVP_KDF_derive(context_, out.data(), size, parameters.data()), 1);
    return out;
  }

 private:
  EVP_KDF* function_;
  EVP_KDF_CTX* context_;
};

OSSL_PARAM octets(const char* name, std::vector<uint8_t>& bytes) {
  return OSSL_PARAM_construct_octet_string(name, bytes.data(), bytes.size());
}
OSSL_PARAM text(const char* name, std::string& value) {
  return OSSL_PARAM_construct_utf8_string(name, value.data(), 0);
}

TEST(TrafficKeys, FollowEachOtherAfterAKeyUpdate) {
  for (std::string digest : {"SHA256", "SHA384"}) {
    const EVP_MD* const md = EVP_get_digestbyname(digest.c_str());
    std::vector<uint8_t> bytes(static_cast<size_t>(EVP_MD_get_size(md)), 0x5a);
    TrafficSecret secret;
    std::ranges::copy(bytes, secret.bytes.begin());
    secret.size = static_cast<uint8_t>(bytes.size());
    std::string mode = "EXPAND_ONLY";
    std::vector<uint8_t> label = {'t', 'r', 'a', 'f', 'f', 'i', 'c', ' ', 'u', 'p', 'd'};
    std::vector<uint8_t> prefix = {'t', 'l', 's', '1', '3', ' '};
    const auto expected =
        Oracle("TLS13-KDF")
            .derive({text("mode", mode), text("digest", digest), octets("key", bytes),
                     octets("prefix", prefix), octets("label", label)},
                    bytes.size());
    EXPECT_THAT(next(md, secret).view(), ElementsAreArray(expected)) << digest;
  }
}

TEST(TrafficKeys, OfTls12AreTheKeyBlock) {
  for (const auto& [cipher, digest_name, key_size, nonce_size] :
       {std::tuple(Cipher::kAes128Gcm, "SHA256", 16, 4),
        std::tuple(Cipher::kAes256Gcm, "SHA384", 32, 4),
        std::tuple(Cipher::kChaCha20Poly1305, "SHA256", 32, 12)}) {
    std::string digest = digest_name;
    const EVP_MD* const md = EVP_get_digestbyname(digest_name);
    std::vector<uint8_t> master(48, 1), client(32, 2), server(32, 3);
    std::vector<uint8_t> seed = bytes_of("6b657920657870616e73696f6e");  // "key expansion"
    seed.insert(seed.end(), server.begin(), server.end());
    seed.insert(seed.end(), client.begin(), client.end());
    const auto block =
        Oracle("TLS1-PRF")
            .derive({text("digest", digest), octets("secret", master), octets("seed", seed)},
                    static_cast<size_t>(2 * (key_size + nonce_size)));
    Keys of_client, of_server;
    of_client.cipher = of_server.cipher = cipher;
    of_server.nonce.back() = 9;
    derive(md, master, client, server, of_client, of_server);
    const auto part = [&](int at, int size) {
      return std::vector(block.begin() + at, block.begin() + at + size);
    };
    const auto key = [&](const Keys& keys) {
      return std::vector(keys.key.begin(), keys.key.begin() + key_size);
    };
    const auto nonce = [&](const Keys& keys) {
      return std::vector(keys.nonce.begin(), keys.nonce.begin() + nonce_size);
    };
    EXPECT_EQ(key(of_client), part(0, key_size));
    EXPECT_EQ(key(of_server), part(key_size, key_size));
    EXPECT_EQ(nonce(of_client), part(2 * key_size, nonce_size));
    EXPECT_EQ(nonce(of_server), part(2 * key_size + nonce_size, nonce_size));
    if (nonce_size == 4) EXPECT_EQ(of_server.nonce.back(), 9) << "the explicit nonce goes on";
  }
}

}  // namespace
}  // namespace penstock::tls
