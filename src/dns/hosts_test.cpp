#include "dns/hosts.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>

#include "dns/followed_file.h"
#include "dns/message.h"
#include "dns/resolv_conf.h"

namespace penstock::dns {
namespace {

std::string addresses_of(const Hosts& hosts, std::string_view name) {
  const auto* addresses = hosts.find(name);
  if (!addresses) return "unknown";
  std::string out;
  for (const IpAddress& address : *addresses) out += address.text() + ' ';
  return out;
}

TEST(Hosts, ReadsNamesAndAliasesInTheOrderOfTheFile) {
  const Hosts hosts = Hosts::parse(
      "# a comment\n"
      "127.0.0.1\tlocalhost\n"
      "  192.0.2.7   Web.Example.COM  web # trailing\r\n"
      "2001:db8::7 web.example.com.\n"
      "192.0.2.8 web.example.com");
  EXPECT_EQ(addresses_of(hosts, "web.example.com"), "192.0.2.7 2001:db8::7 192.0.2.8 ");
  EXPECT_EQ(addresses_of(hosts, "web"), "192.0.2.7 ");
  EXPECT_EQ(addresses_of(hosts, "localhost"), "127.0.0.1 ");
  EXPECT_EQ(addresses_of(hosts, "example.com"), "unknown");
  EXPECT_EQ(hosts.size(), 3u);
}

TEST(Hosts, SkipsWhatItCannotReadAndNothingElse) {
  const Hosts hosts = Hosts::parse(
      "fe80::1%lo0 zoned\n"
      "127.1 short\n"
      "010.0.0.1 octal\n"
      "not-an-address name\n"
      "192.0.2.1\n"
      "192.0.2.2 bad!name 1.2.3.4 good\n");
  EXPECT_EQ(hosts.size(), 1u);
  EXPECT_EQ(addresses_of(hosts, "good"), "192.0.2.2 ");
}

TEST(Hosts, KeepsABoundedNumberOfAddressesEachOnce) {
  std::string text = "192.0.2.1 a\n192.0.2.1 a\n";
  EXPECT_EQ(addresses_of(Hosts::parse(text), "a"), "192.0.2.1 ");
  for (int i = 0; i < 100; ++i) text += "10.0.0." + std::to_string(i) + " a\n";
  EXPECT_EQ(Hosts::parse(text).find("a")->size(), kAddressesMax);
}

TEST(Localhost, IsTheNameAndWhatIsBelowIt) {
  EXPECT_TRUE(is_localhost("localhost"));
  EXPECT_TRUE(is_localhost("a.b.localhost"));
  EXPECT_FALSE(is_localhost("notlocalhost"));
  EXPECT_FALSE(is_localhost("localhost.example.com"));
}

TEST(ResolvConf, AsksTheLocalHostIfTheFileNamesNoServer) {
  const ResolvConf conf = ResolvConf::parse("nameserver nonsense\n# nameserver 192.0.2.1\n");
  ASSERT_EQ(conf.servers.size(), 1u);
  EXPECT_EQ(conf.servers[0].text(), "127.0.0.1:53");
  EXPECT_EQ(conf.ndots, 1);
}

TEST(ResolvConf, ReadsServersSearchListAndOptions) {
  const ResolvConf conf = ResolvConf::parse(
      "domain early.example\n"
      "nameserver 192.0.2.53 ; the first\n"
      "nameserver 2001:db8::53\n"
      "nameserver fe80::1%eth0\n"
      "search svc.Cluster.local cluster.local. bad!domain\n"
      "options edns0 ndots:5 attempts:9 timeout:2\n");
  ASSERT_EQ(conf.servers.size(), 2u);
  EXPECT_EQ(conf.servers[0].text(), "192.0.2.53:53");
  EXPECT_EQ(conf.servers[1].text(), "[2001:db8::53]:53");
  EXPECT_EQ(conf.search, (std::vector<std::string>{"svc.cluster.local", "cluster.local"}));
  EXPECT_EQ(conf.ndots, 5);
  EXPECT_EQ(conf.attempts, 3);
}

TEST(ResolvConf, PutsTheNameItselfFirstOnceItHasEnoughDots) {
  ResolvConf conf;
  conf.search = {"one.example", "two.example"};
  conf.ndots = 2;
  using Names = std::vector<std::string>;
  EXPECT_EQ(conf.candidates("a.b"), (Names{"a.b.one.example", "a.b.two.example", "a.b"}));
  EXPECT_EQ(conf.candidates("a.b.c"), (Names{"a.b.c", "a.b.c.one.example", "a.b.c.two.example"}));
}

TEST(ResolvConf, MakesNoCandidateThatIsTooLongForAName) {
  ResolvConf conf;
  conf.search = {std::string(63, 'x') + ".example"};
  std::string name(50, 'a');
  while (name.size() < 200) name += '.' + std::string(50, 'a');
  EXPECT_EQ(conf.candidates(name), std::vector{name});
}

class FollowedFileTest : public testing::Test {
 protected:
  FollowedFileTest() {
    std::string pattern = testing::TempDir() + "penstock-XXXXXX";
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    path_ = folder_ + "/file";
  }
  ~FollowedFileTest() override {
    ::unlink(path_.c_str());
    ::rmdir(folder_.c_str());
  }
  void write(const std::string& text) { std::ofstream(path_) << text; }

  std::string folder_;
  std::string path_;
  Instant now_ = Instant() + std::chrono::hours(1);
};

TEST_F(FollowedFileTest, GivesTheContentsOnceAndAgainAfterAChange) {
  write("one");
  FollowedFile file(path_, 100);
  EXPECT_EQ(file.changed(now_), "one");
  EXPECT_EQ(file.changed(now_ + FollowedFile::kInterval), std::nullopt);
  write("three");
  EXPECT_EQ(file.changed(now_ + 2 * FollowedFile::kInterval), "three");
}

TEST_F(FollowedFileTest, LooksOncePerSecondAtMost) {
  write("one");
  FollowedFile file(path_, 100);
  EXPECT_EQ(file.changed(now_), "one");
  write("three");
  EXPECT_EQ(file.changed(now_ + FollowedFile::kInterval - Duration(1)), std::nullopt);
  EXPECT_EQ(file.changed(now_ + FollowedFile::kInterval), "three");
}

TEST_F(FollowedFileTest, TakesAMissingFileForAnEmptyOne) {
  FollowedFile file(path_, 100);
  EXPECT_EQ(file.changed(now_), "");
  EXPECT_EQ(file.changed(now_ += FollowedFile::kInterval), std::nullopt);
  write("one");
  EXPECT_EQ(file.changed(now_ += FollowedFile::kInterval), "one");
  ::unlink(path_.c_str());
  EXPECT_EQ(file.changed(now_ += FollowedFile::kInterval), "");
}

TEST_F(FollowedFileTest, CutsALongFileAtALine) {
  write("192.0.2.1 a\n192.0.2.22 b\n");
  FollowedFile file(path_, 21);
  EXPECT_EQ(file.changed(now_), "192.0.2.1 a\n");
}

}  // namespace
}  // namespace penstock::dns
