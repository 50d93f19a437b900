#include "identity/keytab.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <krb5.h>

#include "identity/rig_test.h"
#include "identity/ticket.h"

namespace penstock::identity {
namespace {

using testing::HasSubstr;

// A file with a key of each of these principals.
class KeytabFile {
 public:
  explicit KeytabFile(const std::vector<const char*>& principals) : file_("") {
    krb5_context context = nullptr;
    krb5_keytab keytab = nullptr;
    EXPECT_EQ(krb5_init_context(&context), 0);
    std::filesystem::remove(file_.path());
    EXPECT_EQ(krb5_kt_resolve(context, ("FILE:" + file_.path()).c_str(), &keytab), 0);
    for (const char* name : principals) {
      krb5_keytab_entry entry{};
      EXPECT_EQ(krb5_parse_name(context, name, &entry.principal), 0);
      std::string key(32, 'k');
      entry.vno = 1;
      entry.key.enctype = ENCTYPE_AES256_CTS_HMAC_SHA1_96;
      entry.key.length = 32;
      entry.key.contents = reinterpret_cast<krb5_octet*>(key.data());
      EXPECT_EQ(krb5_kt_add_entry(context, keytab, &entry), 0);
      krb5_free_principal(context, entry.principal);
    }
    krb5_kt_close(context, keytab);
    krb5_free_context(context);
  }
  const std::string& path() const { return file_.path(); }

 private:
  TestFile file_;
};

std::string fault(const std::string& path, std::string_view service) {
  const auto keys = Keytab::read(path, service);
  return keys ? "" : keys.error();
}

TEST(AKeytab, HasTheKeysOfItsServiceAndNoOthers) {
  const KeytabFile file({"HTTP/proxy.example@A.TEST", "HTTP/other.example@A.TEST",
                         "host/proxy.example@A.TEST", "HTTP@A.TEST"});
  EXPECT_EQ((*Keytab::read(file.path(), ""))->size(), 2u);
  EXPECT_EQ((*Keytab::read(file.path(), "HTTP@Proxy.example"))->size(), 1u);
  EXPECT_EQ((*Keytab::read(file.path(), "host@proxy.example"))->size(), 1u);
  EXPECT_NE((*Keytab::read(file.path(), ""))->name(), (*Keytab::read(file.path(), ""))->name());
  EXPECT_THAT(
      fault(file.path(), "HTTP@none.example"),
      HasSubstr("has no key of HTTP/none.example; its keys are of HTTP/proxy.example@A.TEST, "
                "HTTP/other.example@A.TEST, host/proxy.example@A.TEST"));
}

TEST(AKeytab, ThatCannotBeReadSaysWhy) {
  EXPECT_EQ(fault("/nowhere", ""), "cannot be read: No such file or directory");
  EXPECT_EQ(fault("/dev/null", ""), "is not a regular file");
  const TestFile text("not a keytab at all");
  EXPECT_THAT(fault(text.path(), ""), HasSubstr("is no keytab: "));
  const TestFile large(std::string(kKeytabBytesMax + 1, '\5'));
  EXPECT_EQ(fault(large.path(), ""), "is larger than 1024 KiB");
}

TEST(AService, IsAWordAndAHost) {
  EXPECT_TRUE(is_service("HTTP@proxy.example"));
  for (const char* wrong : {"", "HTTP", "@a", "HTTP@", "HTTP/a", "HTTP@a@B.TEST", "HTTP@a/b",
                            "HT TP@a", "HTTP@a b", "HTTP@a\\b"}) {
    EXPECT_FALSE(is_service(wrong)) << wrong;
  }
}

TEST(ATicket, ThatIsNoneIsRefusedByItsKind) {
  using namespace std::string_literals;
  const KeytabFile file({"HTTP/proxy.example@A.TEST"});
  const auto keys = *Keytab::read(file.path(), "");
  for (const std::string& token : {""s, "x"s, "\x60\x00"s, std::string(48'000, '\x60')}) {
    const auto who = check_ticket(*keys, token);
    ASSERT_FALSE(who);
    EXPECT_EQ(who.error().fault, TicketFault::kRejected);
    EXPECT_FALSE(who.error().why.empty());
  }
  EXPECT_EQ(check_ticket(*keys, "NTLMSSP\0\1\0\0\0"s + std::string(28, '\0')).error().fault,
            TicketFault::kNtlm);
}

TEST(AStrippedRealm, IsTheOneThatWasNamed) {
  EXPECT_EQ(without_realm("ann@A.TEST", "A.TEST"), "ann");
  EXPECT_EQ(without_realm("ann@B.TEST", "A.TEST"), "ann@B.TEST");
  EXPECT_EQ(without_realm("ann@a.test", "A.TEST"), "ann@a.test");
  EXPECT_EQ(without_realm("ann@A.TEST", ""), "ann@A.TEST");
  EXPECT_EQ(without_realm("@A.TEST", "A.TEST"), "@A.TEST");
  EXPECT_EQ(without_realm("ann\\@A.TEST", "A.TEST"), "ann\\@A.TEST");
}

}  // namespace
}  // namespace penstock::identity
