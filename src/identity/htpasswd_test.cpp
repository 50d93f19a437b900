#include "identity/htpasswd.h"

#include <crypt.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "identity/groups_file.h"

namespace penstock::identity {
namespace {

using testing::HasSubstr;

// As htpasswd and mkpasswd write them, at the least cost that there is.
std::string hash(const char* prefix, unsigned long cost, const char* password) {
  char setting[CRYPT_GENSALT_OUTPUT_SIZE];
  crypt_data room{};
  EXPECT_NE(crypt_gensalt_rn(prefix, cost, nullptr, 0, setting, sizeof(setting)), nullptr);
  return crypt_r(password, setting, &room);
}

std::string fault(std::string_view text) {
  const auto read = Passwords::parse(text);
  if (read) return "";
  EXPECT_EQ(read.error().size(), 1u);
  return read.error().front().message;
}

TEST(Passwords, OfEachKindAreChecked) {
  const auto read = Passwords::parse("# people\n\nann:" + hash("$y$", 1, "sesame") +
                                     "\r\nbob:" + hash("$2b$", 4, "open") +
                                     "\ncat:" + hash("$6$", 1000, "s3cr\xc3\xa9t"));
  ASSERT_TRUE(read) << read.error().front().message;
  EXPECT_EQ(read->size(), 3u);
  EXPECT_TRUE(read->check("ann", "sesame"));
  EXPECT_TRUE(read->check("bob", "open"));
  EXPECT_TRUE(read->check("cat", "s3cr\xc3\xa9t"));
  for (const auto* wrong : {"", "Sesame", "sesame ", "open"}) {
    EXPECT_FALSE(read->check("ann", wrong)) << wrong;
  }
  EXPECT_FALSE(read->check("ann", std::string("sesame\0", 7)));
  EXPECT_FALSE(read->check("ann", std::string(600, 'a')));
  EXPECT_FALSE(read->check("nobody", "sesame"));
  EXPECT_FALSE(read->check("", ""));
  EXPECT_EQ(read->hash_of("nobody"), "");
  EXPECT_THAT(std::string(read->hash_of("ann")), testing::StartsWith("$y$"));
}

TEST(Passwords, OfAFileWithoutUsersAreAllWrong) {
  const auto read = Passwords::parse("");
  ASSERT_TRUE(read);
  EXPECT_FALSE(read->check("ann", ""));
}

TEST(Passwords, ThatAreEasilyBrokenAreRefusedWithARemedy) {
  EXPECT_THAT(fault("ann:sesame"), HasSubstr("plain"));
  EXPECT_THAT(fault("ann:rEK1ecacw.7.c"), HasSubstr("plain or DES"));
  EXPECT_THAT(fault("ann:$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/"), HasSubstr("MD5"));
  EXPECT_THAT(fault("ann:$1$abc$def"), HasSubstr("mkpasswd -m yescrypt"));
  EXPECT_THAT(fault("ann:{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE="), HasSubstr("unsalted"));
  EXPECT_THAT(fault("ann:$5$salt$xxxx"), HasSubstr("not taken"));
  EXPECT_THAT(fault("ann:"), HasSubstr("no hash"));
}

TEST(Passwords, ThatAreDamagedAreRefused) {
  const std::string whole = hash("$2b$", 4, "open");
  EXPECT_THAT(fault("ann:" + whole.substr(0, 59)), HasSubstr("damaged"));
  EXPECT_THAT(fault("ann:" + whole + " "), HasSubstr("damaged"));
  EXPECT_THAT(fault("ann:" + whole + ":0:99999"), HasSubstr("damaged"));
  EXPECT_THAT(fault("ann:$2b$99$abcdefghijklmnopqrstuuCBXIzP5h7pMXDXCgNRRAyTmOPgJC8jzM"),
              HasSubstr("damaged"));
  EXPECT_THAT(fault("ann:$y$$$"), HasSubstr("damaged"));
}

TEST(Passwords, AreNamedByLineAndUserAndNeverShown) {
  const auto read = Passwords::parse("ann:hunter2\nhunter3\nb\x01:x\nann:hunter4\n");
  ASSERT_FALSE(read);
  ASSERT_EQ(read.error().size(), 4u);
  EXPECT_EQ(read.error()[1].place.line, 2);
  for (const Fault& one : read.error()) EXPECT_THAT(one.message, Not(HasSubstr("hunter")));
  const std::string good = hash("$2b$", 4, "open");
  EXPECT_THAT(fault("ann:" + good + "\nann:" + good), HasSubstr("stands twice"));
}

TEST(AGroupsFile, SaysWhoIsInWhat) {
  const auto read =
      GroupsFile::parse("# of people\nstaff: ann  bob\nops:\tann\nempty:\nstaff: cat ann\n");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->groups_of("ann"), (std::vector<std::string>{"staff", "ops"}));
  EXPECT_EQ(read->groups_of("cat"), (std::vector<std::string>{"staff"}));
  EXPECT_EQ(read->groups_of("dan"), (std::vector<std::string>{}));
  for (const auto* bad : {"staff", ": ann", "two words: ann", "x\x01: ann"}) {
    EXPECT_FALSE(GroupsFile::parse(bad)) << bad;
  }
}

}  // namespace
}  // namespace penstock::identity
