// What `penstock check` says of the files of a TLS listener.
#include "tls/server_context.h"

#include <gmock/gmock.h>

#include "tls/rig_test.h"

namespace penstock::tls {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class Contexts : public Files {
 protected:
  Contexts() : good_(issue({.alternative = "DNS:proxy.example", .days = 90})) {
    listener_.certificates = {good_.files()};
  }
  // What is wrong, a line each; empty: nothing.
  std::string faults() {
    Faults faults;
    warnings_.clear();
    const auto context = ServerContext::open(listener_, "listeners[0].tls", {"http/1.1"},
                                             std::make_shared<TicketKeys>(), faults, warnings_);
    EXPECT_EQ(context == nullptr, !faults.empty());
    return text(faults);
  }
  std::string warnings() {
    EXPECT_EQ(faults(), "");
    return text(warnings_);
  }
  static std::string text(const Faults& faults) {
    std::string out;
    for (const Fault& fault : faults) out += fault.message + "\n";
    return out;
  }

  const Issued good_;
  config::Tls listener_;
  Faults warnings_;
};

TEST_F(Contexts, OfGoodFilesAreOpenedWithoutAWord) {
  EXPECT_EQ(warnings(), "");
}

TEST_F(Contexts, NameTheFileThatIsMissing) {
  listener_.certificates[0].certificate = {"/nowhere/proxy.pem", {7, 9}};
  EXPECT_EQ(faults(),
            "listeners[0].tls.certificates[0].certificate: /nowhere/proxy.pem cannot be read: No "
            "such file or directory\n");
}

TEST_F(Contexts, ReportEveryFaultAtOnceWithItsPlace) {
  listener_.certificates.push_back(good_.files());
  listener_.certificates[0].key = {"/nowhere/a.key", {4, 5}};
  listener_.certificates[1].key = {"/nowhere/b.key", {6, 7}};
  Faults faults;
  const auto context =
      ServerContext::open(listener_, "t", {}, std::make_shared<TicketKeys>(), faults, warnings_);
  EXPECT_FALSE(context);
  ASSERT_EQ(faults.size(), 2u);
  EXPECT_EQ(faults[0].place.line, 4);
  EXPECT_EQ(faults[1].place.column, 7);
}

TEST_F(Contexts, SayThatAKeyIsOfAnotherCertificate) {
  const Issued other = issue({.alternative = "DNS:other.example"});
  listener_.certificates[0].key = {other.key_file(), {}};
  EXPECT_THAT(faults(), HasSubstr("does not belong to the key in " + other.key_file()));
}

TEST_F(Contexts, SayThatAFileIsNoCertificate) {
  listener_.certificates[0].certificate = {file("a.pem", "hello\n"), {}};
  EXPECT_THAT(faults(), HasSubstr("has no certificate in PEM form"));
}

TEST_F(Contexts, SayThatACertificateIsDamaged) {
  listener_.certificates[0].certificate = {
      file("a.pem", "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n"), {}};
  EXPECT_THAT(faults(), HasSubstr("has a damaged certificate, number 1"));
}

TEST_F(Contexts, SayThatAKeyHasAPassphrase) {
  const OwnedKey key(EVP_EC_gen("P-256"));
  const std::string path = directory_ / "locked.key";
  {
    const OwnedBio bio(BIO_new_file(path.c_str(), "w"));
    char word[] = "secret";
    PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), EVP_aes_128_cbc(), word, 6, nullptr,
                                  nullptr);
  }
  listener_.certificates[0].key = {path, {}};
  EXPECT_THAT(faults(), HasSubstr("has a passphrase"));
}

TEST_F(Contexts, WarnOfCertificatesThatHaveExpiredOrSoonWill) {
  const Issued old = issue({.alternative = "DNS:a.example", .days = -1});
  const Issued soon = issue({.alternative = "DNS:b.example", .days = 3});
  listener_.certificates = {old.files(), soon.files()};
  EXPECT_THAT(warnings(),
              HasSubstr("certificates[0].certificate: " + old.file() + " has expired on "));
  EXPECT_THAT(warnings(),
              HasSubstr("certificates[1].certificate: " + soon.file() + " expires on "));
}

TEST_F(Contexts, WarnOfACertificateWithoutAName) {
  listener_.certificates = {issue({.days = 90}).files()};
  EXPECT_THAT(warnings(), HasSubstr("names no host"));
}

TEST_F(Contexts, WarnOfAKeyThatEverybodyCanRead) {
  std::filesystem::permissions(good_.key_file(), std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  EXPECT_THAT(warnings(), HasSubstr("can be read by everybody"));
}

TEST_F(Contexts, SayThatAStapleIsNone) {
  listener_.certificates[0].staple = {file("staple.der", "hello"), {}};
  EXPECT_THAT(faults(), HasSubstr("is no OCSP response in DER form"));
}

TEST_F(Contexts, SayThatTheClientsAuthorityIsMissing) {
  listener_.client_certificates = config::ClientCertificates::kRequired;
  listener_.client_ca = {"/nowhere/ca.pem", {}};
  EXPECT_THAT(faults(), HasSubstr("listeners[0].tls.client_ca: /nowhere/ca.pem cannot be read"));
}

}  // namespace
}  // namespace penstock::tls
