#include "bump/leaf.h"

#include <gmock/gmock.h>

#include "bump/rig_test.h"
#include "bump/signet.h"

namespace penstock::bump {
namespace {

using testing::ElementsAre;

class Leaves : public Owned {
 protected:
  // As it is shown: signed by the owner's key where it is for that to sign.
  tls::OwnedCertificate leaf(Wish wish, bool* of_nobody = nullptr) {
    const Engraver engraver(authority_.certificate());
    auto draft = engraver.draft(wish, now_);
    if (!draft) return nullptr;
    if (of_nobody) *of_nobody = draft->tbs.empty();
    if (!draft->tbs.empty()) {
      const auto signature = signet().sign(draft->tbs);
      EXPECT_TRUE(signature) << (signature ? "" : signature.error());
      EXPECT_TRUE(signature && engraver.put_signature(*draft, *signature));
    }
    // As clients read it.
    return certificate_of(der_of(draft->certificate.get()));
  }
  int verdict(X509* leaf, const std::string& name = kName) {
    return verdict_of(leaf, nullptr, authority_.certificate(), name);
  }
  Signet signet() {
    std::string warning;
    return std::move(*Signet::open(key_files(), &warning));
  }

  const time_t now_ = std::time(nullptr);
};

TEST_F(Leaves, MirrorWhatTheOriginsCertificateSays) {
  const auto mirrored =
      origin({.name = kName,
              .alternative = "DNS:www.example.com, DNS:*.example.net, IP:192.0.2.7, "
                             "IP:2001:db8::7",
              .days = 1});
  const auto made = leaf({kName, copy_of(mirrored.get())});
  ASSERT_NE(made, nullptr);
  EXPECT_EQ(verdict(made.get()), X509_V_OK);
  EXPECT_THAT(names_in(made.get()),
              ElementsAre("DNS:www.example.com", "DNS:*.example.net", "IP Address:192.0.2.7",
                          "IP Address:2001:DB8:0:0:0:0:0:7"));
  EXPECT_EQ(X509_NAME_cmp(X509_get_subject_name(made.get()), X509_get_subject_name(mirrored.get())),
            0);
  EXPECT_EQ(dates_of(made.get())->from, dates_of(mirrored.get())->from);
  EXPECT_EQ(dates_of(made.get())->until, dates_of(mirrored.get())->until);
  for (const char* name : {"a.example.net", "192.0.2.7", "2001:db8::7"}) {
    EXPECT_EQ(verdict(made.get(), name), X509_V_OK) << name;
  }
  EXPECT_EQ(verdict(made.get(), "example.org"), X509_V_ERR_HOSTNAME_MISMATCH);
}

TEST_F(Leaves, HaveSerialNumbersOfTheirOwn) {
  const auto one = leaf({kName, origin()});
  const auto other = leaf({kName, origin()});
  EXPECT_NE(
      ASN1_INTEGER_cmp(X509_get0_serialNumber(one.get()), X509_get0_serialNumber(other.get())), 0);
  EXPECT_EQ(ASN1_STRING_length(X509_get0_serialNumber(one.get())), 16);
}

TEST_F(Leaves, AreValidForNoLongerThanBrowsersTakeAndTheirIssuer) {
  const tls::Issued old(directory_, {.name = "old root", .days = 1000, .authority = true}, nullptr);
  const Engraver engraver(old.certificate());
  for (const long days : {2L, 300L, 2000L}) {
    const auto draft = engraver.draft(
        {kName, origin({.name = kName, .alternative = "DNS:www.example.com", .days = days})}, now_);
    ASSERT_TRUE(draft);
    const auto dates = *dates_of(draft->certificate.get());
    EXPECT_LE(dates.until - dates.from, kValidityMax);
    EXPECT_TRUE(dates.has(now_));
  }
  const auto made =
      leaf({kName, origin({.name = kName, .alternative = "DNS:www.example.com", .days = 9})});
  EXPECT_EQ(dates_of(made.get())->until, dates_of(authority_.certificate())->until);
}

TEST_F(Leaves, AreNotMadeInTheNameOfAnIssuerWhoseTimeIsOver) {
  const tls::Issued over(directory_, {.name = "over", .days = -1, .authority = true}, nullptr);
  EXPECT_FALSE(Engraver(over.certificate()).draft({kName, origin()}, now_));
}

TEST_F(Leaves, ForANameAloneAreForThatNameOrAddress) {
  for (const std::string& name :
       {std::string(kName), std::string("192.0.2.1"), std::string("2001:db8::1"),
        std::string(60, 'a') + ".example.com"}) {
    const auto made = leaf({name});
    ASSERT_NE(made, nullptr) << name;
    EXPECT_EQ(verdict(made.get(), name), X509_V_OK) << name;
    EXPECT_EQ(names_in(made.get()).size(), 1u);
  }
  for (const std::string& name :
       {std::string(), std::string("a b"), std::string("a\0b", 3), std::string(300, 'a')}) {
    EXPECT_EQ(leaf({name}), nullptr) << name;
  }
}

TEST_F(Leaves, AreNotMadeForANameThatAGoodOriginIsNotFor) {
  EXPECT_EQ(leaf({"example.org", origin()}), nullptr);
  EXPECT_EQ(leaf({kName, origin({.name = kName})}), nullptr) << "a common name is no name";
}

TEST_F(Leaves, OfAnExpiredOriginHaveExpired) {
  const auto expired = origin({.name = kName, .alternative = "DNS:www.example.com", .days = -3});
  const auto made = leaf({kName, copy_of(expired.get()), X509_V_ERR_CERT_HAS_EXPIRED});
  ASSERT_NE(made, nullptr);
  EXPECT_EQ(verdict(made.get()), X509_V_ERR_CERT_HAS_EXPIRED);
  EXPECT_EQ(dates_of(made.get())->until, dates_of(expired.get())->until);
}

TEST_F(Leaves, OfAnOriginThatIsNotValidYetAreNotEither) {
  auto later = origin();
  ASN1_TIME_set(X509_getm_notBefore(later.get()), now_ + kDay);
  const auto made = leaf({kName, std::move(later), X509_V_ERR_CERT_NOT_YET_VALID});
  EXPECT_EQ(verdict(made.get()), X509_V_ERR_CERT_NOT_YET_VALID);
}

TEST_F(Leaves, OfAnotherNameAreForThatOtherName) {
  const auto made = leaf({"example.org", origin(), X509_V_ERR_HOSTNAME_MISMATCH});
  ASSERT_NE(made, nullptr);
  EXPECT_EQ(verdict(made.get(), "example.org"), X509_V_ERR_HOSTNAME_MISMATCH);
  EXPECT_EQ(verdict(made.get(), kName), X509_V_OK);
}

TEST_F(Leaves, OfWhateverElseIsWrongAreOfAnIssuerThatNobodyKnows) {
  for (const long fault : {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_CERT_REVOKED,
                           X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_INVALID_CA,
                           X509_V_ERR_CA_MD_TOO_WEAK, X509_V_ERR_UNSPECIFIED, 12345}) {
    bool of_nobody = false;
    const auto made = leaf({kName, origin(), fault}, &of_nobody);
    EXPECT_TRUE(of_nobody) << fault;
    EXPECT_EQ(verdict(made.get()), X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY) << fault;
  }
}

// An expired intermediate certificate is no date of the leaf's: mirrored, it would look good.
TEST_F(Leaves, NeverLookGoodBecauseTheFaultIsNotInThem) {
  for (const long fault : {X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID,
                           X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH}) {
    const auto made = leaf({kName, origin(), fault});
    EXPECT_EQ(verdict(made.get()), X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY) << fault;
  }
  const auto nameless = leaf({kName, origin({.name = kName}), X509_V_ERR_HOSTNAME_MISMATCH});
  EXPECT_EQ(verdict(nameless.get()), X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
}

TEST_F(Leaves, TakeABoundedNumberOfNamesAndTheOneThatIsAskedFor) {
  std::string many = "DNS:first.example.com";
  for (int i = 0; i < 500; ++i) many += ", DNS:host-" + std::to_string(i) + ".example.com";
  many += ", DNS:*.example.net";
  const auto made = leaf({"last.example.net", origin({.name = kName, .alternative = many})});
  ASSERT_NE(made, nullptr);
  EXPECT_EQ(names_in(made.get()).size(), static_cast<size_t>(kNamesMax));
  EXPECT_EQ(verdict(made.get(), "last.example.net"), X509_V_OK);
}

TEST_F(Leaves, LeaveOutNamesThatTwoReadersWouldReadInTwoWays) {
  auto tampered = origin();
  X509_EXTENSION_free(X509_delete_ext(
      tampered.get(), X509_get_ext_by_NID(tampered.get(), NID_subject_alt_name, -1)));
  GENERAL_NAMES* const names = sk_GENERAL_NAME_new_null();
  for (const auto& text : {std::string("bank.example\0.example.com", 25), std::string(kName),
                           std::string("two words"), std::string("a\nb")}) {
    GENERAL_NAME* const name = GENERAL_NAME_new();
    ASN1_STRING* const string = ASN1_IA5STRING_new();
    ASN1_STRING_set(string, text.data(), static_cast<int>(text.size()));
    GENERAL_NAME_set0_value(name, GEN_DNS, string);
    sk_GENERAL_NAME_push(names, name);
  }
  X509_add1_ext_i2d(tampered.get(), NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT);
  GENERAL_NAMES_free(names);
  const auto made = leaf({kName, std::move(tampered)});
  ASSERT_NE(made, nullptr);
  EXPECT_THAT(names_in(made.get()), ElementsAre("DNS:www.example.com"));
}

TEST_F(Leaves, NeverHaveTheirIssuersName) {
  auto impostor = origin();
  X509_set_subject_name(impostor.get(), X509_get_subject_name(authority_.certificate()));
  const auto made = leaf({kName, std::move(impostor)});
  ASSERT_NE(made, nullptr);
  EXPECT_EQ(verdict(made.get()), X509_V_OK);
}

// One name beyond the issuer's constraints would spoil all of it.
TEST_F(Leaves, KeepToTheConstraintsOfTheirIssuer) {
  auto constrained = copy_of(authority_.certificate());
  X509_EXTENSION* const constraint = X509V3_EXT_conf_nid(nullptr, nullptr, NID_name_constraints,
                                                         "critical,permitted;DNS:example.com");
  X509_add_ext(constrained.get(), constraint, -1);
  X509_EXTENSION_free(constraint);
  i2d_re_X509_tbs(constrained.get(), nullptr);
  const auto draft = Engraver(constrained.get()).draft({kName, origin()}, now_);
  ASSERT_TRUE(draft);
  EXPECT_THAT(names_in(draft->certificate.get()), ElementsAre("DNS:www.example.com"));
}

}  // namespace
}  // namespace penstock::bump
