#include "identity/certificate.h"

#include <gtest/gtest.h>

namespace penstock::identity {
namespace {

TEST(ACertificate, NamesItsHolderInTheFieldThatIsAskedFor) {
  const Certificate one{
      "CN=ann,O=Corp", {"ann.corp.example"}, {"ann@corp.example"}, {"spiffe://corp/ann"}};
  EXPECT_EQ(identity_in(one, CertificateField::kSubject), "CN=ann,O=Corp");
  EXPECT_EQ(identity_in(one, CertificateField::kDns), "ann.corp.example");
  EXPECT_EQ(identity_in(one, CertificateField::kEmail), "ann@corp.example");
  EXPECT_EQ(identity_in(one, CertificateField::kUri), "spiffe://corp/ann");
  EXPECT_EQ(identity_in(one, CertificateField::kSpiffe), "spiffe://corp/ann");
}

TEST(ACertificate, WithSeveralNamesOfAKindNamesNobody) {
  const Certificate two{"", {"a.example", "b.example"}, {}, {"spiffe://a/b", "spiffe://a/c"}};
  for (const auto field :
       {CertificateField::kSubject, CertificateField::kDns, CertificateField::kEmail,
        CertificateField::kUri, CertificateField::kSpiffe}) {
    EXPECT_EQ(identity_in(two, field), std::nullopt);
  }
}

TEST(ACertificate, WhoseNameCannotBeLoggedNamesNobody) {
  EXPECT_EQ(identity_in({"ann\nbob", {}, {}, {}}, CertificateField::kSubject), std::nullopt);
  EXPECT_EQ(identity_in({std::string(300, 'a'), {}, {}, {}}, CertificateField::kSubject),
            std::nullopt);
}

TEST(ASpiffeId, IsATrustDomainAndAPath) {
  for (const auto* good :
       {"spiffe://example.org", "spiffe://example.org/ns/prod/sa/api", "spiffe://a_b-c.1/X.y"}) {
    EXPECT_TRUE(is_spiffe_id(good)) << good;
  }
  for (const auto* bad :
       {"", "spiffe://", "spiffe:///a", "https://example.org/a", "SPIFFE://a/b", "spiffe://A/b",
        "spiffe://a:1/b", "spiffe://u@a/b", "spiffe://a/", "spiffe://a//b", "spiffe://a/./b",
        "spiffe://a/../b", "spiffe://a/b?c", "spiffe://a/b#c", "spiffe://a/%41"}) {
    EXPECT_FALSE(is_spiffe_id(bad)) << bad;
  }
}

}  // namespace
}  // namespace penstock::identity
