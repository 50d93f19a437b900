#include "identity/book.h"

#include <crypt.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "identity/rig_test.h"

namespace penstock::identity {
namespace {

using http::AuthScheme;
using testing::HasSubstr;

std::string user_line(const std::string& user, const char* password) {
  crypt_data room{};
  return user + ":" + crypt_r(password, "$2b$04$abcdefghijklmnopqrstuu", &room) + "\n";
}

ProviderSpec by_address(const char* prefix, const char* identity) {
  ProviderSpec out;
  out.kind = Provider::kClients;
  out.clients = {{prefix, {}}};
  out.identity = identity;
  return out;
}
ProviderSpec by_password(const TestFile& users) {
  ProviderSpec out;
  out.kind = Provider::kBasic;
  out.basic = {users.path(), {7, 3}};
  return out;
}
ProviderSpec by_token(const TestFile& keys) {
  ProviderSpec out;
  out.kind = Provider::kJwt;
  out.jwt = {keys.path(), {8, 3}};
  out.issuer = "issuer";
  out.audience = {"penstock"};
  return out;
}
ProviderSpec by_certificate(CertificateField field) {
  ProviderSpec out;
  out.kind = Provider::kCertificate;
  out.certificate = field;
  out.groups = {"machines"};
  return out;
}

std::shared_ptr<const Book> book_of(const std::vector<ProviderSpec>& specs) {
  auto book = Book::open(specs);
  if (!book) ADD_FAILURE() << book.error().front().message;
  return book.value();
}

Claim holding(std::string_view secret) {
  return {.secret = secret};
}

const IpAddress kInside = IpAddress::from_v4(10, 1, 2, 3);
const IpAddress kOutside = IpAddress::from_v4(192, 0, 2, 1);

TEST(ABook, AsksItsProvidersInOrder) {
  const TestFile users(user_line("ann", "sesame"));
  const auto book =
      book_of({by_address("10.0.0.0/8", "ci"), by_password(users),
               by_certificate(CertificateField::kSubject), by_address("0.0.0.0/0", "guest")});
  const Certificate machine{"host-7", {}, {}, {}};
  EXPECT_EQ(book->opinion({kInside}).who->name, "ci");
  EXPECT_EQ(book->opinion({*IpAddress::parse("::ffff:10.1.2.3")}).who->name, "ci");
  EXPECT_EQ(book->opinion({kInside, nullptr, AuthScheme::kBasic}).who->name, "ci")
      << "an address that stands first is asked first";
  const Opinion machines = book->opinion({kOutside, &machine});
  EXPECT_EQ(*machines.who, (Identity{"host-7", {"machines"}}));
  EXPECT_EQ(machines.by, Provider::kCertificate);
  EXPECT_EQ(book->opinion({kOutside}).who->name, "guest");
  const Opinion user = book->opinion({kOutside, &machine, AuthScheme::kBasic});
  EXPECT_EQ(user.who, nullptr) << "who sends a password stands by it";
  EXPECT_EQ(user.checkers.size(), 1u);
}

TEST(ABook, WantsCredentialsWhereTheyAreTaken) {
  const TestFile users(user_line("ann", "sesame"));
  const auto book = book_of({by_password(users), by_certificate(CertificateField::kSubject)});
  EXPECT_TRUE(book->has_checkers());
  EXPECT_EQ(book->opinion({kInside}).refused, Code::kCredentialsMissing);
  EXPECT_EQ(book->opinion({kInside, nullptr, AuthScheme::kBearer}).refused,
            Code::kSchemeUnsupported);
  const auto addresses = book_of({by_address("10.0.0.0/8", "ci")});
  EXPECT_FALSE(addresses->has_checkers());
  const Opinion nobody = addresses->opinion({kOutside, nullptr, AuthScheme::kBasic});
  EXPECT_EQ(nobody.who, nullptr);
  EXPECT_EQ(nobody.refused, std::nullopt);
}

TEST(ABook, ChallengesWithEachSchemeOnce) {
  const TestFile users(user_line("ann", "sesame"));
  const auto key = SigningKey::ec("k");
  const TestFile keys(set_of({key.jwk()}));
  const auto book = book_of({by_password(users), by_token(keys), by_password(users)});
  EXPECT_EQ(book->challenges({}, Code::kCredentialsMissing),
            "Proxy-Authenticate: Basic realm=\"penstock\", charset=\"UTF-8\"\r\n"
            "Proxy-Authenticate: Bearer realm=\"penstock\"\r\n");
  EXPECT_THAT(book->challenges(AuthScheme::kBearer, Code::kTokenExpired),
              HasSubstr("Bearer realm=\"penstock\", error=\"invalid_token\"\r\n"));
  EXPECT_EQ(book->opinion({kInside, nullptr, AuthScheme::kBasic}).checkers.size(), 2u);
}

TEST(ABook, SaysWhereAFileIsWrong) {
  const TestFile users("ann:plain\nbob\n");
  const TestFile keys("{}");
  ProviderSpec grouped = by_password(users);
  grouped.groups_file = {"/nonexistent/groups", {7, 40}};
  const auto book = Book::open({grouped, by_token(keys)});
  ASSERT_FALSE(book);
  ASSERT_EQ(book.error().size(), 4u);
  EXPECT_THAT(book.error()[0].message, HasSubstr(users.path() + ":1: user \"ann\" has a plain"));
  EXPECT_THAT(book.error()[1].message, HasSubstr(":2: is not user:hash"));
  EXPECT_EQ(book.error()[1].place.line, 7);
  EXPECT_THAT(book.error()[2].message, HasSubstr("/nonexistent/groups: cannot be read"));
  EXPECT_THAT(book.error()[3].message, HasSubstr("is not a JSON Web Key Set"));
}

TEST(ABook, ReadsAFileAgainThatHasChangedAndKeepsTheLastGoodOne) {
  TestFile users(user_line("ann", "sesame"));
  const TestFile groups("ops: ann\n");
  ProviderSpec spec = by_password(users);
  spec.groups_file = {groups.path(), {}};
  spec.groups = {"staff"};
  const auto book = book_of({spec});
  const CheckerPtr checker = book->opinion({kInside, nullptr, AuthScheme::kBasic}).checkers.at(0);
  const auto ann = checker->check(holding("ann:sesame"), 0);
  ASSERT_TRUE(ann.who);
  EXPECT_EQ(**ann.who, (Identity{"ann", {"staff", "ops"}}));
  const std::string basis = checker->basis(holding("ann:sesame"));
  EXPECT_TRUE(book->refresh().empty());

  users.write("nonsense");
  const auto bad = book->refresh();
  ASSERT_EQ(bad.size(), 1u);
  EXPECT_FALSE(bad[0].good);
  EXPECT_TRUE(checker->check(holding("ann:sesame"), 0).who);
  EXPECT_TRUE(book->refresh().empty()) << "said once";

  users.write(user_line("ann", "other") + user_line("bob", "b"));
  const auto good = book->refresh();
  ASSERT_EQ(good.size(), 1u);
  EXPECT_TRUE(good[0].good);
  EXPECT_THAT(good[0].line, HasSubstr("2 users"));
  EXPECT_FALSE(checker->check(holding("ann:sesame"), 0).who);
  EXPECT_TRUE(checker->check(holding("ann:other"), 0).who);
  EXPECT_NE(checker->basis(holding("ann:sesame")), basis);
}

TEST(ABook, BelievesATokenNoLongerThanItLasts) {
  const auto key = SigningKey::ed25519("k");
  TestFile keys(set_of({key.jwk()}));
  ProviderSpec spec = by_token(keys);
  spec.leeway = Duration::zero();
  const auto book = book_of({spec});
  const CheckerPtr checker = book->opinion({kInside, nullptr, AuthScheme::kBearer}).checkers.at(0);
  const nlohmann::json claims{
      {"iss", "issuer"}, {"aud", "penstock"}, {"sub", "ann"}, {"exp", 1000}};
  const std::string token = key.token(claims);
  EXPECT_EQ(checker->check(holding(token), 400).good_for, std::chrono::minutes(5));
  EXPECT_EQ(checker->check(holding(token), 990).good_for, std::chrono::seconds(10));
  EXPECT_EQ(checker->check(holding(token), 1000).who.error(), Code::kTokenExpired);
  const std::string basis = checker->basis(holding(token));
  keys.write(set_of({SigningKey::ed25519("k").jwk()}));
  EXPECT_EQ(book->refresh().size(), 1u);
  EXPECT_NE(checker->basis(holding(token)), basis);
  EXPECT_EQ(checker->check(holding(token), 400).who.error(), Code::kCredentialsRejected);
}

TEST(ABook, SharesTheKeysOfAUrlAndKeepsThemOverAReload) {
  const auto by_url = [](const char* url) {
    ProviderSpec out;
    out.kind = Provider::kJwt;
    out.jwt = {url, {8, 3}};
    return out;
  };
  const auto first = book_of({by_url("https://a.example/keys"), by_url("https://a.example/keys"),
                              by_url("https://b.example/keys")});
  ASSERT_EQ(first->key_sources().size(), 2u);
  const auto next =
      Book::open({by_url("https://c.example/keys"), by_url("https://a.example/keys")}, first.get());
  ASSERT_TRUE(next);
  ASSERT_EQ((*next)->key_sources().size(), 2u);
  EXPECT_EQ((*next)->key_sources()[1], first->key_sources()[0]);
  ProviderSpec other_roots = by_url("https://a.example/keys");
  const TestFile no_roots("none");
  other_roots.ca = {no_roots.path(), {9, 3}};
  const auto refused = Book::open({other_roots}, first.get());
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().front().message, HasSubstr("has no certificate in PEM"));
  EXPECT_EQ(refused.error().front().place.line, 9);
}

TEST(ABook, TakesNoTokenBeforeItHasKeys) {
  const SigningKey key = SigningKey::ed25519("a");
  ProviderSpec spec;
  spec.kind = Provider::kJwt;
  spec.jwt = {"https://a.example/keys", {}};
  spec.issuer = "issuer";
  spec.audience = {"penstock"};
  const auto book = book_of({spec});
  const auto checker =
      book->opinion({.client = kOutside, .scheme = AuthScheme::kBearer}).checkers.at(0);
  const std::string token =
      key.token({{"iss", "issuer"}, {"aud", "penstock"}, {"sub", "ann"}, {"exp", 2000}});
  const auto& source = book->key_sources().at(0);
  EXPECT_TRUE(checker->check(holding(token), 1000).later) << "they will be there in a moment";
  source->begin();
  source->end(std::unexpected("no route"), Clock::now());
  EXPECT_TRUE(checker->check(holding(token), 1000).later) << "once more, at its asking";
  source->begin();
  source->end(std::unexpected("no route"), Clock::now());
  const Checked without = checker->check(holding(token), 1000);
  EXPECT_FALSE(without.later);
  EXPECT_EQ(without.who.error(), Code::kKeysMissing);
  const std::string basis = checker->basis(holding(token));
  source->end(fetch::Reply{.status = 200, .body = set_of({key.jwk()}), .fields = {}}, Clock::now());
  EXPECT_EQ((*checker->check(holding(token), 1000).who)->name, "ann");
  EXPECT_NE(checker->basis(holding(token)), basis);
  const auto news = book->refresh();
  ASSERT_EQ(news.size(), 1u);
  EXPECT_EQ(news[0].line, "https://a.example/keys was read: 1 keys");
}

TEST(ABook, AsksAuthorizersAboutThoseTheyAreForAndOnlyThose) {
  ProviderSpec far;
  far.kind = Provider::kAuthorizer;
  far.authorizer = {"https://auth.example/", {}};
  far.credentials = {Asked::kNone};
  const auto alone = book_of({far, by_address("10.0.0.0/8", "guest")});
  EXPECT_FALSE(alone->takes_any());
  EXPECT_TRUE(alone->has_remote_checkers());
  EXPECT_EQ(alone->considered(AuthScheme::kBasic), std::nullopt);
  EXPECT_EQ(alone->opinion({.client = kInside}).checkers.size(), 1u);
  EXPECT_EQ(alone->opinion({.client = kInside}).who, nullptr) << "its say is the last";
  EXPECT_EQ(alone->challenges({}, Code::kCredentialsMissing), "");

  far.credentials = {Asked::kBasic, Asked::kBearer};
  const auto both = book_of({by_address("10.0.0.0/8", "ci"), far});
  EXPECT_EQ(both->opinion({.client = kInside}).who->name, "ci");
  EXPECT_EQ(both->opinion({.client = kOutside}).refused, Code::kCredentialsMissing);
  EXPECT_EQ(both->opinion({.client = kOutside, .scheme = AuthScheme::kBearer}).checkers.size(), 1u);
  EXPECT_EQ(both->opinion({.client = kOutside, .scheme = AuthScheme::kNegotiate}).refused,
            Code::kSchemeUnsupported);
  EXPECT_EQ(both->challenges(AuthScheme::kBearer, Code::kCredentialsRejected),
            "Proxy-Authenticate: Basic realm=\"penstock\", charset=\"UTF-8\"\r\n"
            "Proxy-Authenticate: Bearer realm=\"penstock\", error=\"invalid_token\"\r\n");
}

}  // namespace
}  // namespace penstock::identity
