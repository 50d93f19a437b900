#include "http/credentials.h"

#include <gtest/gtest.h>

#include <string>

namespace penstock::http {
namespace {

using std::string_view_literals::operator""sv;

TEST(Credentials, OfBasicAreUserAndPassword) {
  // The example of RFC 7617 section 2.
  const auto read = parse_credentials("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->scheme, AuthScheme::kBasic);
  EXPECT_EQ(read->secret.view(), "Aladdin:open sesame");
  // Section 2.1: UTF-8 stays what it is.
  const auto pound = parse_credentials("bAsIc dGVzdDoxMjPCow==");
  ASSERT_TRUE(pound);
  EXPECT_EQ(pound->secret.view(), "test:123\xc2\xa3");
  EXPECT_EQ(parse_credentials("Basic Og==")->secret.view(), ":");
}

TEST(Credentials, OfBearerAndNegotiateAreTheToken) {
  const auto bearer = parse_credentials("Bearer  a.b-c_d~e+f/g==");
  ASSERT_TRUE(bearer);
  EXPECT_EQ(bearer->scheme, AuthScheme::kBearer);
  EXPECT_EQ(bearer->secret.view(), "a.b-c_d~e+f/g==");
  EXPECT_EQ(parse_credentials("Negotiate YII=")->scheme, AuthScheme::kNegotiate);
}

TEST(Credentials, OfAnotherSchemeAreNotKept) {
  for (const auto value :
       {"Digest username=\"a\", realm=\"b\""sv, "NTLM TlRM"sv, "Basics QQ=="sv}) {
    const auto read = parse_credentials(value);
    ASSERT_TRUE(read) << value;
    EXPECT_EQ(read->scheme, AuthScheme::kOther);
    EXPECT_EQ(read->secret.view(), "");
  }
}

TEST(Credentials, ThatCouldBeReadTwoWaysAreRefused) {
  for (const auto value :
       {""sv, " "sv, "Basic"sv, "Basic "sv, "Basic QQ== QQ=="sv, "Basic,QQ=="sv, "Basic QQ==,"sv,
        "Bearer a b"sv, "Bearer a,b"sv, "Bearer =a"sv, "Bearer ="sv, "Bearer\ta"sv, "Bearer \xc3"sv,
        "Basic QQ"sv,            // no padding
        "Basic QWxhZGRpbg=="sv,  // no colon
        "Basic YQA6Yg=="sv,      // a NUL
        "Basic YTpiCmM6ZA=="sv,  // a line feed
        "Basic QWxhZGRpbjpvcGVu-_=="sv, "b@sic QQ=="sv}) {
    const auto read = parse_credentials(value);
    ASSERT_FALSE(read) << value;
    EXPECT_EQ(read.error().code, Code::kBadCredentials);
  }
}

TEST(Credentials, AreBounded) {
  const std::string scheme = "Bearer ";
  EXPECT_TRUE(parse_credentials(scheme + std::string(kCredentialBytesMax - scheme.size(), 'a')));
  EXPECT_FALSE(parse_credentials(scheme + std::string(kCredentialBytesMax, 'a')));
  const std::string ticket = "Negotiate ";
  EXPECT_TRUE(parse_credentials(ticket + std::string(kTicketBytesMax - ticket.size(), 'a')));
  EXPECT_FALSE(parse_credentials(ticket + std::string(kTicketBytesMax, 'a')));
}

}  // namespace
}  // namespace penstock::http
