#include "identity/key_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.h"
#include "identity/rig_test.h"

namespace penstock::identity {
namespace {

using nlohmann::json;

// Whether `jws`, in compact form, is signed with the only key of the set that `jwk` makes.
bool verifies(const json& jwk, std::string_view jws) {
  const auto keys = KeySet::parse(set_of({jwk}));
  if (!keys) {
    ADD_FAILURE() << keys.error();
    return false;
  }
  const size_t dot = jws.rfind('.');
  const auto signature = decode_base64url(jws.substr(dot + 1));
  return signature && keys->find(std::nullopt)->signed_it(jws.substr(0, dot), *signature);
}

std::string why_not(const json& jwk) {
  const auto keys = KeySet::parse(set_of({jwk}));
  return keys ? "" : keys.error();
}

const json kRfc7515Rsa = {
    {"kty", "RSA"},
    {"n",
     "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4"
     "d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5re"
     "xMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxX"
     "FvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"},
    {"e", "AQAB"}};
const json kRfc7515Ec = {{"kty", "EC"},
                         {"crv", "P-256"},
                         {"x", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"},
                         {"y", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}};
const json kRfc8037 = {
    {"kty", "OKP"}, {"crv", "Ed25519"}, {"x", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}};

TEST(Signatures, AreThoseOfTheRfcs) {
  // RFC 7515 appendix A.2, appendix A.3, RFC 8037 appendix A.4.
  EXPECT_TRUE(verifies(
      kRfc7515Rsa,
      "eyJhbGciOiJSUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl"
      "fQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2"
      "Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBM"
      "Hlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-"
      "eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9"
      "QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"));
  EXPECT_TRUE(verifies(
      kRfc7515Ec,
      "eyJhbGciOiJFUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl"
      "fQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"));
  EXPECT_TRUE(verifies(kRfc8037,
                       "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0Jzln"
                       "LWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"));
}

TEST(Signatures, OfAnotherTextOrCutOrOfZeroAreNone) {
  for (const SigningKey& key :
       {SigningKey::rsa("r"), SigningKey::ec("e"), SigningKey::ed25519("d")}) {
    const auto keys = KeySet::parse(set_of({key.jwk()}));
    ASSERT_TRUE(keys) << keys.error();
    const Key& one = *keys->find(key.id());
    const std::string good = key.sign("text");
    EXPECT_TRUE(one.signed_it("text", good));
    EXPECT_FALSE(one.signed_it("texts", good));
    EXPECT_FALSE(one.signed_it("text", good.substr(1)));
    EXPECT_FALSE(one.signed_it("text", '\0' + good));
    EXPECT_FALSE(one.signed_it("text", good + '\0'));
    EXPECT_FALSE(one.signed_it("text", ""));
    // CVE-2022-21449: r = s = 0 was a signature of everything.
    EXPECT_FALSE(one.signed_it("text", std::string(good.size(), '\0')));
    std::string changed = good;
    changed[changed.size() / 2] ^= 1;
    EXPECT_FALSE(one.signed_it("text", changed));
  }
}

TEST(AKeySet, TakesOneKeyForEachId) {
  const auto one = SigningKey::ec("one");
  const auto two = SigningKey::ed25519("two");
  const auto keys = KeySet::parse(set_of({one.jwk(), two.jwk()}));
  ASSERT_TRUE(keys);
  EXPECT_EQ(keys->size(), 2u);
  EXPECT_EQ(keys->find("one")->algorithm(), Algorithm::kEs256);
  EXPECT_EQ(keys->find("two")->algorithm(), Algorithm::kEdDsa);
  EXPECT_EQ(keys->find("three"), nullptr);
  EXPECT_EQ(keys->find(""), nullptr);
  EXPECT_EQ(keys->find(std::nullopt), nullptr) << "either might be meant";
  EXPECT_THAT(KeySet::parse(set_of({one.jwk(), one.jwk()})).error(),
              testing::HasSubstr("the kid of another"));
}

TEST(AKeySet, LeavesOutWhatIsForSomethingElse) {
  const auto good = SigningKey::ec("good");
  json encryption = SigningKey::ec("enc").jwk();
  encryption["use"] = "enc";
  json other_algorithm = kRfc7515Rsa;
  other_algorithm["alg"] = "PS256";
  other_algorithm["kid"] = "pss";
  json other_curve = kRfc7515Ec;
  other_curve["crv"] = "P-384";
  json signs_only = kRfc8037;
  signs_only["key_ops"] = {"sign"};
  const auto keys =
      KeySet::parse(set_of({encryption, other_algorithm, other_curve, signs_only, good.jwk()}));
  ASSERT_TRUE(keys) << keys.error();
  EXPECT_EQ(keys->size(), 1u);
  EXPECT_THAT(why_not(encryption), testing::HasSubstr("has no key that is taken"));
}

TEST(AKeySet, RefusesKeysThatProveNothing) {
  EXPECT_THAT(why_not({{"kty", "oct"}, {"k", "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ"}}),
              testing::HasSubstr("symmetric"));
  EXPECT_THAT(why_not(SigningKey::rsa("short", 1024).jwk()), testing::HasSubstr("1024 bits"));
  json even = kRfc7515Rsa;
  even["e"] = "AQ";
  EXPECT_THAT(why_not(even), testing::HasSubstr("is none"));
  json off_the_curve = kRfc7515Ec;
  off_the_curve["y"] = kRfc7515Ec["x"];
  EXPECT_THAT(why_not(off_the_curve), testing::HasSubstr("must be a point"));
  json private_key = kRfc8037;
  private_key["d"] = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
  EXPECT_THAT(why_not(private_key), testing::HasSubstr("private key"));
  json short_key = kRfc8037;
  short_key["x"] = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUQ";
  EXPECT_THAT(why_not(short_key), testing::HasSubstr("32 bytes"));
  json number = kRfc8037;
  number["kid"] = 7;
  EXPECT_THAT(why_not(number), testing::HasSubstr("kid that is no text"));
}

TEST(AKeySet, IsStrictJson) {
  const std::string key = kRfc8037.dump();
  for (const std::string& text :
       {std::string(), std::string("{}"), std::string("[]"), "{\"keys\": " + key + "}", key,
        "{\"keys\": [" + key + "]} x", "{\"keys\": [" + key + "], \"keys\": [" + key + "]}",
        "{\"keys\": [{\"kty\": \"oct\", " + key.substr(1) + "]}", std::string(100'000, '['),
        "{\"keys\": [" + key + ",]}", std::string("\xef\xbb\xbf{\"keys\": 1}")}) {
    EXPECT_FALSE(KeySet::parse(text)) << text.substr(0, 80);
  }
  EXPECT_FALSE(KeySet::parse(set_of(std::vector<json>(65, kRfc8037))));
  EXPECT_FALSE(KeySet::parse(std::string(kKeySetBytesMax + 1, ' ')));
}

}  // namespace
}  // namespace penstock::identity
