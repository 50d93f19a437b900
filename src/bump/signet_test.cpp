#include "bump/signet.h"

#include <functional>

#include "bump/openssl_reading.h"
#include "bump/rig_test.h"

namespace penstock::bump {
namespace {

class Signets : public Owned {
 protected:
  Signets() {
    std::string warning;
    auto opened = Signet::open(key_files(), &warning);
    EXPECT_TRUE(opened);
    if (opened) signet_.emplace(std::move(*opened));
  }

  tls::OwnedCertificate draft() {
    const Engraver engraver(authority_.certificate());
    return std::move(engraver.draft({kName, origin()}, std::time(nullptr))->certificate);
  }
  // What becomes of a good draft that `change` has been at. Empty: it is signed.
  std::string answer_to(const std::function<void(X509*)>& change) {
    const auto changed = draft();
    change(changed.get());
    const auto answer = signet_->sign(tbs_of(changed.get()));
    return answer ? std::string() : answer.error();
  }
  std::string answer_to_extension(int nid, const char* value) {
    return answer_to([&](X509* leaf) {
      const int there = X509_get_ext_by_NID(leaf, nid, -1);
      if (there >= 0) X509_EXTENSION_free(X509_delete_ext(leaf, there));
      if (!value) return;
      X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
      ASSERT_NE(extension, nullptr) << value;
      X509_add_ext(leaf, extension, there);
      X509_EXTENSION_free(extension);
    });
  }
  static void set(ASN1_TIME* time, time_t from_now) {
    ASN1_TIME_set(time, std::time(nullptr) + from_now);
  }

  std::optional<Signet> signet_;
};

TEST_F(Signets, SignLeaves) {
  const Engraver engraver(authority_.certificate());
  auto draft = *engraver.draft({kName, origin()}, std::time(nullptr));
  const auto signature = signet_->sign(draft.tbs);
  ASSERT_TRUE(signature) << signature.error();
  ASSERT_TRUE(engraver.put_signature(draft, *signature));
  const auto leaf = certificate_of(der_of(draft.certificate.get()));
  EXPECT_EQ(verdict_of(leaf.get(), nullptr, authority_.certificate(), kName), X509_V_OK);
}

TEST_F(Signets, SignLeavesWhoseTimeIsOver) {
  EXPECT_EQ(answer_to([](X509* leaf) { set(X509_getm_notAfter(leaf), -kDay); }), "");
}

TEST_F(Signets, RefuseWhoeverCouldSignInTheirName) {
  EXPECT_EQ(answer_to_extension(NID_basic_constraints, "critical,CA:TRUE"),
            "its extensions are not those of a leaf");
  EXPECT_EQ(answer_to_extension(NID_basic_constraints, nullptr),
            "its extensions are not those of a leaf");
  EXPECT_EQ(answer_to_extension(NID_key_usage, "critical,digitalSignature,keyCertSign"),
            "its extensions are not those of a leaf");
  EXPECT_EQ(answer_to_extension(NID_key_usage, nullptr), "its extensions are not those of a leaf");
}

TEST_F(Signets, RefuseWhateverIsNotForServersOfTls) {
  for (const char* use : {"clientAuth", "serverAuth,clientAuth", "codeSigning", "emailProtection",
                          "anyExtendedKeyUsage", "serverAuth,OCSPSigning"}) {
    EXPECT_EQ(answer_to_extension(NID_ext_key_usage, use), "its extensions are not those of a leaf")
        << use;
  }
  EXPECT_EQ(answer_to_extension(NID_ext_key_usage, nullptr),
            "its extensions are not those of a leaf");
}

TEST_F(Signets, RefuseExtensionsThatNoLeafHas) {
  const std::string answer = "it is no leaf of ours";
  EXPECT_EQ(answer_to_extension(NID_netscape_comment, "anything"), answer);
  EXPECT_EQ(answer_to_extension(NID_name_constraints, "permitted;DNS:example.com"), answer);
  EXPECT_EQ(answer_to([](X509* leaf) { X509_add_ext(leaf, X509_get_ext(leaf, 0), -1); }), answer);
}

TEST_F(Signets, RefuseNamesOfOthersThanHosts) {
  const std::string answer = "it is no leaf of ours";
  EXPECT_EQ(answer_to_extension(NID_subject_alt_name, "email:somebody@example.com"), answer);
  EXPECT_EQ(answer_to_extension(NID_subject_alt_name, "DNS:a.example,URI:https://a.example"),
            answer);
  EXPECT_EQ(answer_to_extension(NID_subject_alt_name, nullptr), answer);
  std::string many = "DNS:a.example";
  for (int i = 0; i < kNamesMax; ++i) many += ",DNS:b.example";
  EXPECT_EQ(answer_to_extension(NID_subject_alt_name, many.c_str()), answer);
}

TEST_F(Signets, RefuseOtherIssuersAndTheirOwnName) {
  EXPECT_EQ(answer_to([&](X509* leaf) {
              X509_set_issuer_name(leaf, X509_get_subject_name(stranger_.certificate()));
            }),
            "its issuer is another");
  EXPECT_EQ(answer_to([&](X509* leaf) {
              X509_set_subject_name(leaf, X509_get_subject_name(authority_.certificate()));
            }),
            "its subject is its issuer");
}

TEST_F(Signets, RefuseTimesThatClientsWouldNotBelieve) {
  EXPECT_EQ(answer_to([](X509* leaf) {
              set(X509_getm_notBefore(leaf), -398 * kDay);
              set(X509_getm_notAfter(leaf), kDay);
            }),
            "it is valid for more than 398 days");
  EXPECT_EQ(answer_to([](X509* leaf) { set(X509_getm_notAfter(leaf), 3 * kDay); }),
            "it is valid for longer than its issuer");
  EXPECT_EQ(answer_to([](X509* leaf) { set(X509_getm_notAfter(leaf), -200 * kDay); }),
            "its dates make no sense");
}

TEST_F(Signets, RefuseKeysThatAreNotTheLeavesOwn) {
  const tls::OwnedKey rsa(EVP_RSA_gen(2048));
  EXPECT_EQ(answer_to([&](X509* leaf) { X509_set_pubkey(leaf, rsa.get()); }),
            "it is no leaf of ours");
  EXPECT_EQ(answer_to([&](X509* leaf) {
              X509_set_pubkey(leaf, X509_get0_pubkey(authority_.certificate()));
            }),
            "its key is the owner's");
}

TEST_F(Signets, RefuseSerialNumbersThatCanBeForeseen) {
  EXPECT_EQ(answer_to([](X509* leaf) { ASN1_INTEGER_set(X509_get_serialNumber(leaf), 7); }),
            "it is no leaf of ours");
}

TEST_F(Signets, RefuseWhateverIsNoCertificate) {
  const std::string answer = "it is no leaf of ours";
  const std::string good = tbs_of(draft().get());
  for (const std::string& draft :
       {std::string(), std::string("sign me"), good.substr(0, good.size() - 1), good + '\0'}) {
    const auto made = signet_->sign(draft);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error(), answer);
  }
  EXPECT_FALSE(signet_->sign(std::string(kDraftBytesMax + 1, '0')));
}

// What our reader lets pass is read by OpenSSL as well, and is nothing else for it.
TEST_F(Signets, SignNothingThatOpensslWouldReadInAnotherWay) {
  const std::string good = tbs_of(draft().get());
  int passed = 0;
  for (size_t at = 0; at < good.size(); ++at) {
    for (int flip = 1; flip < 256; flip += flip < 8 ? 1 : 31) {
      std::string changed = good;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      if (!signet_->sign(changed)) continue;
      ++passed;
      const auto leaf = openssl_reads(changed);
      ASSERT_NE(leaf, nullptr) << at << " " << flip;
      EXPECT_EQ(objection_to(leaf.get(), authority_.certificate()), nullptr) << at << " " << flip;
    }
  }
  EXPECT_GT(passed, 0) << "such as other serial numbers";
}

TEST_F(Signets, SayWhatIsWrongWithTheirFiles) {
  std::string warning;
  const auto fault_of = [&](const KeyFiles& files) {
    const auto opened = Signet::open(files, &warning);
    EXPECT_FALSE(opened);
    return opened ? std::string() : static_cast<char>(opened.error().file) + opened.error().what;
  };
  const std::string ca = authority_.file();
  EXPECT_EQ(fault_of({ca, directory_ / "none", {}}), "kcannot be read: No such file or directory");
  EXPECT_EQ(fault_of({ca, ca, {}}),
            "khas no private key in PEM form (-----BEGIN PRIVATE KEY-----)");
  EXPECT_EQ(fault_of({ca, stranger_.key_file(), {}}),
            "kdoes not belong to the first certificate in " + ca);
  EXPECT_EQ(fault_of({authority_.key_file(), authority_.key_file(), {}}),
            "chas no certificate in PEM form (-----BEGIN CERTIFICATE-----)");
}

TEST_F(Signets, TakeAPassphraseFromItsFile) {
  const tls::OwnedBio plain(BIO_new_file(authority_.key_file().c_str(), "r"));
  const tls::OwnedKey key(PEM_read_bio_PrivateKey(plain.get(), nullptr, nullptr, nullptr));
  const std::string locked = directory_ / "locked.key";
  {
    const tls::OwnedBio out(BIO_new_file(locked.c_str(), "w"));
    PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), EVP_aes_256_cbc(), "sesame", 6, nullptr,
                                  nullptr);
  }
  std::filesystem::permissions(locked, std::filesystem::perms::owner_read);
  const KeyFiles files{authority_.file(), locked, {}};
  std::string warning;
  const auto without = Signet::open(files, &warning);
  ASSERT_FALSE(without);
  EXPECT_EQ(without.error().what, "has a passphrase; name the file that has it (passphrase_file)");
  const auto wrong = Signet::open({files.ca, files.key, file("wrong", "open\n")}, &warning);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().what, "cannot be opened with this passphrase");
  EXPECT_TRUE(Signet::open({files.ca, files.key, file("right", "sesame\n")}, &warning));
  EXPECT_EQ(warning, "");
  std::filesystem::permissions(locked, std::filesystem::perms::group_read,
                               std::filesystem::perm_options::add);
  EXPECT_TRUE(Signet::open({files.ca, files.key, file("right", "sesame")}, &warning));
  EXPECT_EQ(warning, "can be read by others than its owner; chmod 600 it");
}

}  // namespace
}  // namespace penstock::bump
