#include "bump/authority.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>

#include "bump/facts.h"
#include "bump/pair.h"
#include "bump/root.h"
#include "bump/signing_key.h"

namespace penstock::bump {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr time_t kDay = 24 * 3600;

struct Made {
  tls::OwnedKey key = make_key();
  tls::OwnedCertificate root;

  explicit Made(const std::string& name, int days = 100, Permitted permitted = {})
      : root(make_root({.name = name,
                        .from = std::time(nullptr) - kDay,
                        .until = std::time(nullptr) + days * kDay,
                        .permitted = std::move(permitted)},
                       key.get())) {}
};

// A certificate for `name` or an address, as a leaf is.
tls::OwnedCertificate leaf_of(const Made& authority, const char* alternative) {
  tls::OwnedCertificate out(X509_new());
  X509_set_version(out.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(out.get()), 7);
  X509_gmtime_adj(X509_getm_notBefore(out.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(out.get()), 3600);
  const tls::OwnedKey key = make_key();
  X509_set_pubkey(out.get(), key.get());
  X509_set_issuer_name(out.get(), X509_get_subject_name(authority.root.get()));
  X509_EXTENSION* const names =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, alternative);
  X509_add_ext(out.get(), names, -1);
  X509_EXTENSION_free(names);
  EXPECT_GT(X509_sign(out.get(), authority.key.get(), EVP_sha256()), 0);
  return out;
}

// X509_V_OK, or what OpenSSL has against `leaf`, shown with `behind`, where `trusted` is trusted.
int verdict(X509* leaf, const std::vector<X509*>& behind, X509* trusted) {
  const tls::OwnedStore store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), trusted);
  STACK_OF(X509)* const shown = sk_X509_new_null();
  for (X509* certificate : behind) sk_X509_push(shown, certificate);
  X509_STORE_CTX* const context = X509_STORE_CTX_new();
  X509_STORE_CTX_init(context, store.get(), leaf, shown);
  X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_SERVER);
  X509_verify_cert(context);
  const int out = X509_STORE_CTX_get_error(context);
  X509_STORE_CTX_free(context);
  sk_X509_free(shown);
  return out;
}

class Folder : public testing::Test {
 protected:
  Folder() { std::filesystem::create_directories(folder_); }
  ~Folder() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ / name; }
  std::string file(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return path(name);
  }
  std::optional<Authority> read(const std::string& text) {
    faults_.clear();
    warnings_.clear();
    return read_authority({file("ca.pem", text), {3, 5}}, "inspection.ca", faults_, warnings_);
  }

  const std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) /
      ("penstock-bump-" + std::to_string(::getpid()) + "-" +
       testing::UnitTest::GetInstance()->current_test_info()->name());
  Faults faults_, warnings_;
};

using AnAuthority = Folder;
using ASigningKey = Folder;
using APair = Folder;

TEST(ARoot, IsAnAuthorityThatSaysSo) {
  const Made made("Example Egress CA");
  X509* const root = made.root.get();
  EXPECT_EQ(subject_of(root), "CN=Example Egress CA");
  EXPECT_EQ(common_name_of(root), "Example Egress CA");
  EXPECT_EQ(key_of(root), "P-256");
  EXPECT_TRUE(signs_itself(root));
  EXPECT_EQ(X509_check_ca(root), 1);
  EXPECT_EQ(X509_get_key_usage(root), unsigned{KU_KEY_CERT_SIGN | KU_CRL_SIGN});
  EXPECT_EQ(X509_verify(root, made.key.get()), 1);
  for (const int nid : {NID_basic_constraints, NID_key_usage}) {
    const int at = X509_get_ext_by_NID(root, nid, -1);
    ASSERT_GE(at, 0);
    EXPECT_EQ(X509_EXTENSION_get_critical(X509_get_ext(root, at)), 1);
  }
  EXPECT_TRUE(constraints_of(root).empty());
  EXPECT_EQ(fingerprint_of(root, EVP_sha256()).size(), 32 * 3 - 1);
}

TEST(ARoot, HasASerialThatNobodyForesees) {
  const Made one("a"), other("a");
  EXPECT_EQ(ASN1_INTEGER_get(X509_get0_serialNumber(one.root.get())), -1);  // too large for a long
  EXPECT_NE(ASN1_INTEGER_cmp(X509_get0_serialNumber(one.root.get()),
                             X509_get0_serialNumber(other.root.get())),
            0);
}

TEST(ARoot, SignsForPermittedNamesAndWhatIsBelowThemOnly) {
  const Made made("c", 100, {.names = {"corp.example"}, .addresses = {}});
  const auto judge = [&](const char* alternative) {
    return verdict(leaf_of(made, alternative).get(), {}, made.root.get());
  };
  EXPECT_EQ(judge("DNS:corp.example"), X509_V_OK);
  EXPECT_EQ(judge("DNS:a.b.corp.example"), X509_V_OK);
  EXPECT_EQ(judge("DNS:corp.example.net"), X509_V_ERR_PERMITTED_VIOLATION);
  EXPECT_EQ(judge("DNS:notcorp.example"), X509_V_ERR_PERMITTED_VIOLATION);
  EXPECT_EQ(judge("IP:192.0.2.1"), X509_V_ERR_EXCLUDED_VIOLATION);
  EXPECT_EQ(judge("IP:2001:db8::1"), X509_V_ERR_EXCLUDED_VIOLATION);
  const Constraints constraints = constraints_of(made.root.get());
  EXPECT_THAT(constraints.permitted, ElementsAre("corp.example"));
  EXPECT_THAT(constraints.excluded, ElementsAre("0.0.0.0/0", "::/0"));
}

TEST(ARoot, SignsForPermittedAddressesAndNoNameWhereOnlyTheyAreGiven) {
  const Made made(
      "c", 100,
      {.names = {}, .addresses = {*IpPrefix::parse("10.1.0.0/17"), *IpPrefix::parse("fd00::/9")}});
  const auto judge = [&](const char* alternative) {
    return verdict(leaf_of(made, alternative).get(), {}, made.root.get());
  };
  EXPECT_EQ(judge("IP:10.1.127.255"), X509_V_OK);
  EXPECT_EQ(judge("IP:10.1.128.0"), X509_V_ERR_PERMITTED_VIOLATION);
  EXPECT_EQ(judge("IP:fd7f::1"), X509_V_OK);
  EXPECT_EQ(judge("IP:fd80::1"), X509_V_ERR_PERMITTED_VIOLATION);
  EXPECT_EQ(judge("DNS:corp.example"), X509_V_ERR_EXCLUDED_VIOLATION);
  EXPECT_THAT(constraints_of(made.root.get()).permitted, ElementsAre("10.1.0.0/17", "fd00::/9"));
  EXPECT_THAT(constraints_of(made.root.get()).excluded, ElementsAre("all names"));
}

TEST(ACrossSignedRoot, LeadsFromALeafToEitherRoot) {
  const Made old("Example CA"), next("Example CA G2");
  const auto cross = cross_sign(next.root.get(), old.root.get(), old.key.get());
  ASSERT_TRUE(cross);
  EXPECT_EQ(path_length_of(cross.get()), 0);
  const auto leaf = leaf_of(next, "DNS:app.example");
  const std::vector<X509*> shown = {cross.get(), old.root.get()};
  EXPECT_EQ(verdict(leaf.get(), shown, old.root.get()), X509_V_OK);
  EXPECT_EQ(verdict(leaf.get(), shown, next.root.get()), X509_V_OK);
  const Made stranger("Example CA");
  EXPECT_EQ(verdict(leaf.get(), shown, stranger.root.get()), X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN);
}

TEST(ACrossSignedRoot, IsValidAsLongAsBothAreAndConstrainedAsTheNewOne) {
  const Made old("o", 40), next("n", 100, {.names = {"corp.example"}, .addresses = {}});
  const auto cross = cross_sign(next.root.get(), old.root.get(), old.key.get());
  EXPECT_EQ(valid_until(cross.get()), valid_until(old.root.get()));
  EXPECT_THAT(constraints_of(cross.get()).permitted, ElementsAre("corp.example"));
}

TEST_F(AnAuthority, IsShownAsARootWhereNothingStandsBehindIt) {
  const Made made("r");
  const auto authority = read(pem_of(made.root.get()));
  ASSERT_TRUE(authority);
  EXPECT_EQ(X509_cmp(authority->issuer.get(), made.root.get()), 0);
  ASSERT_EQ(authority->shown.size(), 1);
  EXPECT_EQ(X509_cmp(authority->shown[0].get(), made.root.get()), 0);
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(AnAuthority, IsShownAsTheOldOneSignedItWhereThatStandsBehindIt) {
  const Made old("o"), next("n");
  const auto cross = cross_sign(next.root.get(), old.root.get(), old.key.get());
  const auto authority =
      read(pem_of(next.root.get()) + pem_of(cross.get()) + pem_of(old.root.get()));
  ASSERT_TRUE(authority) << faults_[0].message;
  EXPECT_EQ(X509_cmp(authority->issuer.get(), next.root.get()), 0);
  ASSERT_EQ(authority->shown.size(), 2);
  EXPECT_EQ(X509_cmp(authority->shown[0].get(), cross.get()), 0);
  EXPECT_EQ(X509_cmp(authority->shown[1].get(), old.root.get()), 0);
}

TEST_F(AnAuthority, WithStrangersBehindItIsRefused) {
  const Made one("a"), other("b");
  EXPECT_FALSE(read(pem_of(one.root.get()) + pem_of(other.root.get())));
  EXPECT_THAT(faults_.at(0).message, HasSubstr("certificate number 2, CN=b, does not belong"));
  EXPECT_EQ(faults_.at(0).place.line, 3);
  const auto leaf = leaf_of(one, "DNS:a.example");
  EXPECT_FALSE(read(pem_of(one.root.get()) + pem_of(leaf.get())));
  EXPECT_THAT(faults_.at(0).message, HasSubstr("is no certification authority"));
}

TEST_F(AnAuthority, ThatIsNoneIsRefused) {
  const Made made("r");
  EXPECT_FALSE(read(pem_of(leaf_of(made, "DNS:a.example").get())));
  EXPECT_THAT(faults_.at(0).message, HasSubstr("is no certification authority"));
  EXPECT_FALSE(read("nothing"));
  EXPECT_THAT(faults_.at(0).message, HasSubstr("has no certificate in PEM form"));
  EXPECT_FALSE(read_authority({path("absent"), {}}, "inspection.ca", faults_, warnings_));
  EXPECT_THAT(faults_.back().message, HasSubstr("cannot be read"));
}

TEST_F(AnAuthority, ThatHasExpiredOrWillSoonIsNamed) {
  EXPECT_FALSE(read(pem_of(Made("r", 0).root.get())));
  EXPECT_THAT(faults_.at(0).message, HasSubstr("has expired on "));
  EXPECT_TRUE(read(pem_of(Made("r", 29).root.get())));
  ASSERT_EQ(warnings_.size(), 1);
  EXPECT_THAT(warnings_[0].message, testing::ContainsRegex("expires in (28|29) days, on "));
  EXPECT_TRUE(read(pem_of(Made("r", 31).root.get())));
  EXPECT_THAT(warnings_, IsEmpty());
  const Made made("r");
  EXPECT_THAT(judge_issuer(made.root.get(), std::time(nullptr) - 2 * kDay).faults,
              Contains(HasSubstr("is not valid before")));
}

TEST_F(AnAuthority, WithAWeakKeyIsRefused) {
  const tls::OwnedKey weak(EVP_RSA_gen(1024));
  RootSpec spec;
  spec.name = "w";
  spec.from = std::time(nullptr) - kDay;
  spec.until = std::time(nullptr) + 100 * kDay;
  EXPECT_FALSE(read(pem_of(make_root(spec, weak.get()).get())));
  EXPECT_THAT(faults_.at(0).message, HasSubstr("has a weak key (RSA, 1024 bits)"));
  const tls::OwnedKey strong(EVP_RSA_gen(2048));
  EXPECT_TRUE(read(pem_of(make_root(spec, strong.get()).get())));
}

TEST_F(ASigningKey, IsReadBackFromWhatItWasWrittenAs) {
  const tls::OwnedKey key = make_key();
  const std::string name = file("ca.key", std::string(pem_of_key(key.get(), Secret()).view()));
  for (const std::string& named : {name, "file:" + name}) {
    const auto read = open_signing_key(named, Secret());
    ASSERT_TRUE(read) << named << ": " << read.error();
    EXPECT_EQ(EVP_PKEY_eq(read->get(), key.get()), 1);
  }
}

TEST_F(ASigningKey, WithAPassphraseIsOpenedByItAlone) {
  const tls::OwnedKey key = make_key();
  const Secret right("correct horse");
  const std::string text(pem_of_key(key.get(), right).view());
  EXPECT_THAT(text, testing::StartsWith("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
  const std::string name = file("ca.key", text);
  for (const std::string& named : {name, "file:" + name}) {
    const auto opened = open_signing_key(named, right);
    ASSERT_TRUE(opened) << opened.error();
    EXPECT_EQ(EVP_PKEY_eq(opened->get(), key.get()), 1);
    EXPECT_THAT(open_signing_key(named, Secret("wrong horse")).error(),
                HasSubstr("cannot be opened with this passphrase"));
    EXPECT_THAT(open_signing_key(named, Secret()).error(), HasSubstr("has a passphrase"));
  }
}

TEST_F(ASigningKey, ThatIsNoneIsRefusedByItsKind) {
  EXPECT_THAT(open_signing_key(file("x", "nothing"), Secret()).error(),
              HasSubstr("has no private key in PEM form"));
  EXPECT_THAT(open_signing_key(path("absent"), Secret()).error(), HasSubstr("cannot be read"));
  EXPECT_THAT(open_signing_key("nonsense:object=ca", Secret()).error(),
              HasSubstr("no store for it"));
  EXPECT_TRUE(is_store_uri("pkcs11:object=ca"));
  EXPECT_FALSE(is_store_uri("/etc/penstock/ca:1.key"));
  EXPECT_FALSE(is_store_uri("ca.key"));
}

TEST_F(ASigningKey, ThatOthersCanReadIsNamed) {
  const std::string name = file("ca.key", "x");
  const auto judge = [&](mode_t mode) {
    faults_.clear();
    warnings_.clear();
    ::chmod(name.c_str(), mode);
    judge_key_file({name, {}}, "inspection.key", faults_, warnings_);
  };
  judge(0600);
  EXPECT_THAT(faults_, IsEmpty());
  EXPECT_THAT(warnings_, IsEmpty());
  judge(0640);
  EXPECT_THAT(faults_, IsEmpty());
  EXPECT_THAT(warnings_.at(0).message, HasSubstr("by its group; chmod 0600 it"));
  judge(0604);
  EXPECT_THAT(faults_.at(0).message, HasSubstr("by everybody on this machine"));
  judge_key_file({path("absent"), {}}, "inspection.key", faults_, warnings_);
  EXPECT_THAT(faults_.back().message, HasSubstr("absent cannot be read"));
}

TEST_F(ASigningKey, HasTheFirstLineOfAFileForAPassphrase) {
  EXPECT_EQ(read_passphrase(file("p", "a word\r\nanother\n"))->view(), "a word");
  EXPECT_EQ(read_passphrase("")->view(), "");
  EXPECT_THAT(read_passphrase(file("p", "\n")).error(), HasSubstr("nothing in its first line"));
  EXPECT_THAT(read_passphrase(file("p", std::string(1025, 'x'))).error(), HasSubstr("1024"));
}

TEST_F(APair, IsMadeOnceAndThenReplacedWithTheOldOneKept) {
  const PairFiles files{path("ca.pem"), path("ca.key")};
  const auto text = [](const std::string& name) {
    std::ifstream in(name);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const auto mode = [](const std::string& name) {
    struct stat facts{};
    EXPECT_EQ(::stat(name.c_str(), &facts), 0) << name;
    return facts.st_mode & 0777;
  };
  EXPECT_TRUE(PairChange::begin(files)->create("one", Secret("first")));
  EXPECT_EQ(mode(files.key), 0600);
  EXPECT_EQ(mode(files.certificates), 0644);
  EXPECT_THAT(PairChange::begin(files)->create("two", Secret("second")).error(),
              HasSubstr("ca.pem is there already"));
  EXPECT_TRUE(PairChange::begin(files)->replace("two", Secret("second")));
  EXPECT_EQ(text(files.certificates) + text(files.key), "twosecond");
  EXPECT_EQ(text(files.certificates + ".old") + text(files.key + ".old"), "onefirst");
  EXPECT_EQ(mode(files.key), 0600);
  EXPECT_EQ(mode(files.certificates), 0644);
  EXPECT_EQ(mode(files.key + ".old"), 0600);
  EXPECT_EQ(mode(files.certificates + ".old"), 0600);
  EXPECT_THAT(PairChange::begin(files)->replace("three", Secret("third")).error(),
              HasSubstr("ca.pem.old is there"));
  EXPECT_EQ(text(files.certificates) + text(files.key), "twosecond");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 4);
}

TEST_F(APair, IsChangedByOneAtATime) {
  const PairFiles files{path("ca.pem"), path("ca.key")};
  const auto one = PairChange::begin(files);
  ASSERT_TRUE(one);
  EXPECT_THAT(PairChange::begin(files).error(), HasSubstr("another penstock ca"));
  EXPECT_THAT(PairChange::begin({path("x"), path("x")}).error(), HasSubstr("a file of its own"));
}

}  // namespace
}  // namespace penstock::bump
