// Against the examples of FoxIO's technical_details/JA4.md.
#include "tls/ja4.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <vector>

namespace penstock::tls {
namespace {

using Buffer = std::vector<uint8_t>;
using Numbers = std::vector<uint16_t>;

void add(Buffer& out, size_t number) {
  out.push_back(static_cast<uint8_t>(number >> 8));
  out.push_back(static_cast<uint8_t>(number));
}

// A client as its lists; keeps the bytes that the hello points to.
struct Client {
  Numbers ciphers = {0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9,
                     0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035};
  Numbers extensions = {0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d,
                        0x0005, 0x0023, 0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015};
  Numbers signatures = {0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601};
  Numbers versions = {0x0304, 0x0303};
  std::string sni = "example.com";
  std::string alpn = "h2";
  uint16_t legacy_version = 0x0303;

  std::string fingerprint() {
    cipher_bytes_.clear();
    for (const uint16_t cipher : ciphers) add(cipher_bytes_, cipher);
    extension_bytes_.clear();
    for (const uint16_t type : extensions) {
      const Buffer body = body_of(type);
      add(extension_bytes_, type);
      add(extension_bytes_, body.size());
      extension_bytes_.insert(extension_bytes_.end(), body.begin(), body.end());
    }
    return ja4({.sni = sni,
                .alpn = alpn,
                .ech = false,
                .version = legacy_version,
                .cipher_suites = cipher_bytes_,
                .extensions = extension_bytes_});
  }

 private:
  Buffer body_of(uint16_t type) const {
    Buffer out;
    if (type == 0x000d) {
      add(out, signatures.size() * 2);
      for (const uint16_t one : signatures) add(out, one);
    }
    if (type == 0x002b) {
      out.push_back(static_cast<uint8_t>(versions.size() * 2));
      for (const uint16_t one : versions) add(out, one);
    }
    return out;
  }

  Buffer cipher_bytes_;
  Buffer extension_bytes_;
};

TEST(Ja4, IsThatOfTheSpecification) {
  EXPECT_EQ(Client().fingerprint(), "t13d1516h2_8daaf6152771_e5627efa2ab1");
}

TEST(Ja4, DoesNotChangeWithOrderOrGrease) {
  Client client;
  std::ranges::reverse(client.ciphers);
  std::ranges::reverse(client.extensions);
  client.ciphers.insert(client.ciphers.begin(), 0x0a0a);
  client.extensions.insert(client.extensions.begin(), 0xfafa);
  client.extensions.push_back(0x3a3a);
  client.versions.insert(client.versions.begin(), 0xeaea);
  client.signatures.insert(client.signatures.begin(), 0x4a4a);
  EXPECT_EQ(client.fingerprint(), "t13d1516h2_8daaf6152771_e5627efa2ab1");
}

TEST(Ja4, ChangesWithTheOrderOfSignatureAlgorithms) {
  Client client;
  std::ranges::reverse(client.signatures);
  EXPECT_NE(client.fingerprint(), "t13d1516h2_8daaf6152771_e5627efa2ab1");
}

TEST(Ja4, WithoutSignatureAlgorithmsIsThatOfTheSpecification) {
  Client client;
  client.signatures.clear();
  EXPECT_EQ(client.fingerprint(), "t13d1516h2_8daaf6152771_6d807ffa2a79");
}

TEST(Ja4, SaysWhatIsMissing) {
  Client client;
  client.extensions.clear();
  client.ciphers = {0x1a1a};
  client.sni.clear();
  client.alpn.clear();
  EXPECT_EQ(client.fingerprint(), "t12i000000_000000000000_000000000000");
}

TEST(Ja4, CountsUpTo99) {
  Client client;
  for (uint16_t i = 0; i < 200; ++i) client.ciphers.push_back(static_cast<uint16_t>(0xd000 + i));
  EXPECT_EQ(client.fingerprint().substr(0, 10), "t13d9916h2");
}

TEST(Ja4, HasTheHighestVersion) {
  Client client;
  client.versions = {0x0301, 0x0303, 0x0302};
  EXPECT_EQ(client.fingerprint().substr(0, 3), "t12");
  client.versions = {0x7f1c};
  EXPECT_EQ(client.fingerprint().substr(0, 3), "t00");
  std::erase(client.extensions, 0x002b);
  for (const auto& [version, word] : std::initializer_list<std::pair<uint16_t, const char*>>{
           {0x0303, "t12"}, {0x0302, "t11"}, {0x0301, "t10"}, {0x0300, "ts3"}, {0x0399, "t00"}}) {
    client.legacy_version = version;
    EXPECT_EQ(client.fingerprint().substr(0, 3), word);
  }
}

TEST(Ja4, HasTheEndsOfTheFirstProtocol) {
  Client client;
  for (const auto& [alpn, word] :
       std::initializer_list<std::pair<std::string, const char*>>{{"http/1.1", "h1"},
                                                                  {"x", "xx"},
                                                                  {"\xab", "ab"},
                                                                  {"\xab\xcd", "ad"},
                                                                  {"0\xab", "3b"},
                                                                  {"01\xab\xcd", "3d"},
                                                                  {"0\xab\xcd"
                                                                   "1",
                                                                   "01"}}) {
    client.alpn = alpn;
    EXPECT_EQ(client.fingerprint().substr(8, 2), word) << word;
  }
}

TEST(Ja4, ReadsListsThatAreCutShortAsFarAsTheyGo) {
  const Buffer ciphers = {0x13, 0x01};
  const Buffer extensions = {0, 0x0d, 0, 3, 0, 9, 4, 0, 0x2b, 0, 0};
  ClientHello hello;
  hello.cipher_suites = ciphers;
  hello.extensions = extensions;
  const std::string cut = ja4(hello);
  EXPECT_EQ(cut.size(), 36u);
  EXPECT_EQ(cut.substr(0, 10), "t00i010200");
}

}  // namespace
}  // namespace penstock::tls
