#include "http/authority.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "base/random.h"
#include "http/libc_reading.h"

namespace penstock::http {
namespace {

std::string word_of(Code code) {
  return std::string(facts(code).word);
}

std::string outcome(std::string_view text) {
  const auto authority = parse_authority(text);
  return authority ? "accepted as " + authority->text() : word_of(authority.error().code);
}

TEST(Authority, HasOneCanonicalTextForEverySpellingItAccepts) {
  struct {
    const char* what;
    std::string_view text;
    std::string_view host;
    std::string_view canonical;
    bool literal;
  } const cases[] = {
      {"a plain name", "api.example.com:443", "api.example.com", "api.example.com:443", false},
      {"other letter case", "API.Example.COM:443", "api.example.com", "api.example.com:443", false},
      {"a trailing dot", "api.example.com.:443", "api.example.com", "api.example.com:443", false},
      {"a single label", "localhost:1", "localhost", "localhost:1", false},
      {"a single label with the root dot", "LOCALHOST.:1", "localhost", "localhost:1", false},
      {"an A-label", "xn--bcher-kva.example:443", "xn--bcher-kva.example",
       "xn--bcher-kva.example:443", false},
      {"underscores, also in front", "_dmarc._tcp.a_b:65535", "_dmarc._tcp.a_b",
       "_dmarc._tcp.a_b:65535", false},
      {"digits in front of a last label that is a name", "127.0.0.1.example:443",
       "127.0.0.1.example", "127.0.0.1.example:443", false},
      {"a last label that only begins with a digit", "a.1x:443", "a.1x", "a.1x:443", false},
      {"hex in front of a last label that is a name", "0x7f.com:443", "0x7f.com", "0x7f.com:443",
       false},
      {"an IPv4 address", "192.0.2.1:80", "192.0.2.1", "192.0.2.1:80", true},
      {"an IPv6 address", "[2001:db8::1]:443", "2001:db8::1", "[2001:db8::1]:443", true},
      {"an IPv6 address written out", "[2001:0DB8:0:0:0:0:0:0001]:443", "2001:db8::1",
       "[2001:db8::1]:443", true},
      {"a mapped address in hex", "[::ffff:7f00:2]:443", "::ffff:127.0.0.2",
       "[::ffff:127.0.0.2]:443", true},
      {"the unspecified address, which policy judges", "[::]:9", "::", "[::]:9", true},
  };
  for (const auto& row : cases) {
    const auto authority = parse_authority(row.text);
    ASSERT_TRUE(authority) << row.what << ": " << outcome(row.text);
    EXPECT_EQ(authority->host, row.host) << row.what;
    EXPECT_EQ(authority->text(), row.canonical) << row.what;
    EXPECT_EQ(authority->literal.has_value(), row.literal) << row.what;
    if (authority->literal) {
      EXPECT_EQ(authority->literal->text(), row.host) << row.what;
    }
  }
}

struct Refusal {
  const char* what;
  std::string_view text;
  Code code;
};

template <size_t n>
void expect_refusals(const Refusal (&rows)[n]) {
  for (const Refusal& row : rows) {
    EXPECT_EQ(outcome(row.text), word_of(row.code)) << row.what << ": " << row.text;
  }
}

TEST(Authority, RefusesEveryPortThatSomeProxyReadDifferently) {
  const Refusal rows[] = {
      {"no port", "host", Code::kMissingPort},
      {"no port behind an IPv4 address", "192.0.2.1", Code::kMissingPort},
      {"no port behind brackets", "[::1]", Code::kMissingPort},
      {"an empty port", "host:", Code::kMissingPort},
      {"an empty port behind brackets", "[::1]:", Code::kMissingPort},
      {"nothing but a colon", ":", Code::kMissingPort},
      {"nothing", "", Code::kMissingPort},
      {"port zero", "host:0", Code::kBadPort},
      {"port zero twice", "host:00", Code::kBadPort},
      {"one beyond the last port", "host:65536", Code::kBadPort},
      {"2^16 + 443", "host:65979", Code::kBadPort},
      {"2^32 + 443", "host:4294967739", Code::kBadPort},
      {"2^64 + 443", "host:18446744073709552059", Code::kBadPort},
      {"very many digits", "host:44300000000000000000000000000000000", Code::kBadPort},
      {"a plus sign", "host:+443", Code::kBadPort},
      {"a minus sign", "host:-443", Code::kBadPort},
      {"a leading zero", "host:0443", Code::kBadPort},
      {"an exponent", "host:443e0", Code::kBadPort},
      {"hexadecimal", "host:0x1bb", Code::kBadPort},
      {"a list", "host:443,22", Code::kBadPort},
      {"a second port", "host:443:443", Code::kBadPort},
      {"a service name", "host:https", Code::kBadPort},
      {"a variable", "host:$p", Code::kBadPort},
      {"a trailing dot", "host:443.", Code::kBadPort},
      {"a trailing space", "host:443 ", Code::kBadPort},
      {"a leading space", "host: 443", Code::kBadPort},
      {"a percent escape", "host:%34%34%33", Code::kBadPort},
      {"full-width digits", "host:\xef\xbc\x94\xef\xbc\x94\xef\xbc\x93", Code::kBadPort},
      {"a NUL behind it", std::string_view("host:443\0", 9), Code::kBadPort},
      {"junk behind an IPv6 address", "[::1]:443x", Code::kBadPort},
      {"a scheme without slashes", "http:host", Code::kBadPort},
  };
  expect_refusals(rows);
}

TEST(Authority, RefusesWhateverBelongsToAUrl) {
  const Refusal rows[] = {
      {"absolute form", "http://host:443/", Code::kTargetForm},
      {"absolute form without path", "https://host:443", Code::kTargetForm},
      {"origin form", "/", Code::kTargetForm},
      {"asterisk form", "*", Code::kTargetForm},
      {"a socket's path", "unix:/run/docker.sock", Code::kTargetForm},
      {"a URN", "urn::@/host", Code::kTargetForm},
      {"a path", "host:443/x", Code::kTargetForm},
      {"an empty path", "host:443/", Code::kTargetForm},
      {"a path before the port", "host/:443", Code::kTargetForm},
      {"a query", "host:443?x", Code::kTargetForm},
      {"a fragment", "host:443#x", Code::kTargetForm},
      {"a fragment that hides a host", "evil#@ok:443", Code::kTargetForm},
      {"userinfo", "ok@evil:443", Code::kUserinfo},
      {"userinfo with a password", "user:pass@host:443", Code::kUserinfo},
      {"empty userinfo", "@host:443", Code::kUserinfo},
      {"a backslash in front of userinfo", "evil\\@ok:443", Code::kUserinfo},
      {"userinfo in front of brackets", "[::1]@evil:443", Code::kUserinfo},
  };
  expect_refusals(rows);
}

TEST(Authority, RefusesEveryNumberThatIsNotADottedQuad) {
  const Refusal rows[] = {
      {"decimal", "2130706433:443", Code::kNumericHost},
      {"hexadecimal", "0x7f000001:443", Code::kNumericHost},
      {"capital hexadecimal", "0X7F000001:443", Code::kNumericHost},
      {"hexadecimal without digits", "0x:443", Code::kNumericHost},
      {"octal", "0177.0.0.1:443", Code::kNumericHost},
      {"one number", "0:443", Code::kNumericHost},
      {"two numbers", "127.1:443", Code::kNumericHost},
      {"two numbers, one in hexadecimal", "0x7f.1:443", Code::kNumericHost},
      {"hexadecimal in the last place", "127.0.0.0x1:443", Code::kNumericHost},
      {"a leading zero in the last place", "127.0.0.01:443", Code::kNumericHost},
      {"a leading zero in the first place", "012.0.0.1:443", Code::kNumericHost},
      {"a number too large", "256.0.0.1:443", Code::kNumericHost},
      {"five numbers", "1.2.3.4.5:443", Code::kNumericHost},
      {"a quad with a trailing dot", "127.0.0.2.:443", Code::kNumericHost},
      {"a decimal with a trailing dot", "2130706433.:443", Code::kNumericHost},
      {"a name whose last label is a number", "example.1:443", Code::kNumericHost},
      {"a name whose last label is hexadecimal", "example.0x1:443", Code::kNumericHost},
  };
  expect_refusals(rows);
}

TEST(Authority, WantsBracketsAroundIpv6AndNothingElseInThem) {
  const Refusal rows[] = {
      {"a name in brackets", "[denied.example]:443", Code::kBadIpv6},
      {"a name in double brackets", "[[denied.example]]:443", Code::kBadIpv6},
      {"an address in double brackets", "[[::1]]:443", Code::kBadIpv6},
      {"IPv4 in brackets", "[1.2.3.4]:443", Code::kBadIpv6},
      {"empty brackets", "[]:443", Code::kBadIpv6},
      {"no closing bracket", "[::1:443", Code::kBadIpv6},
      {"junk behind the bracket", "[::1]x:443", Code::kBadIpv6},
      {"a dot behind the bracket", "[::1].:443", Code::kBadIpv6},
      {"a closing bracket alone", "::1]:443", Code::kBadIpv6},
      {"no brackets", "::1:443", Code::kBadIpv6},
      {"no brackets, written out", "2001:db8:0:0:0:0:0:1:443", Code::kBadIpv6},
      {"a zone", "[fe80::1%eth0]:443", Code::kBadIpv6},
      {"an escaped zone", "[::1%25lo]:443", Code::kBadIpv6},
      {"IPvFuture", "[v1.a:b]:443", Code::kBadIpv6},
      {"a group too many", "[1:2:3:4:5:6:7:8:9]:443", Code::kBadIpv6},
      {"two gaps", "[1::2::3]:443", Code::kBadIpv6},
      {"a space inside", "[::1 ]:443", Code::kBadIpv6},
      {"octal IPv4 inside", "[::ffff:0177.0.0.1]:443", Code::kBadIpv6},
      {"a NUL inside", std::string_view("[::1\0]:443", 10), Code::kBadIpv6},
      {"a prefix length", "[::1%2f64]:443", Code::kBadIpv6},
  };
  expect_refusals(rows);
}

TEST(Authority, RefusesNamesThatAreNotInALabelForm) {
  const Refusal rows[] = {
      {"no host", ":443", Code::kBadHostName},
      {"the root", ".:443", Code::kBadHostName},
      {"two trailing dots", "localhost..:443", Code::kBadHostName},
      {"a leading dot", ".example:443", Code::kBadHostName},
      {"an empty label", "a..example:443", Code::kBadHostName},
      {"double quotes", "\"localhost\":443", Code::kBadHostName},
      {"markup", "<script>alert(1)<script>:443", Code::kBadHostName},
      {"a wildcard", "*.example:443", Code::kBadHostName},
      {"a percent escape", "127%2e0%2e0%2e1:443", Code::kBadHostName},
      {"an escaped letter", "%6cocalhost:443", Code::kBadHostName},
      {"a backslash", "evil\\ok:443", Code::kBadHostName},
      {"a space", "evil ok:443", Code::kBadHostName},
      {"a tab", "evil\tok:443", Code::kBadHostName},
      {"a NUL", std::string_view("google.com\0.x:443", 17), Code::kBadHostName},
      {"a line break", "host\r\nX: y:443", Code::kBadPort},
      {"a line break in the name", "host\r\n:443", Code::kBadHostName},
      {"a DEL", "ho\x7fst:443", Code::kBadHostName},
      {"UTF-8",
       "b\xc3\xbc"
       "cher.example:443",
       Code::kBadHostName},
      {"ideographic full stops",
       "127\xe3\x80\x82"
       "0\xe3\x80\x82"
       "0\xe3\x80\x82"
       "1:443",
       Code::kBadHostName},
      {"circled letters", "\xe2\x93\x94\xe2\x93\xa7:443", Code::kBadHostName},
      {"a soft hyphen", "local\xc2\xadhost:443", Code::kBadHostName},
      {"Latin-1",
       "b\xfc"
       "cher:443",
       Code::kBadHostName},
      {"a label that begins with a hyphen", "-a.example:443", Code::kBadHostName},
      {"a label that ends with a hyphen", "a-.example:443", Code::kBadHostName},
      {"a hyphen alone", "a.-.example:443", Code::kBadHostName},
      {"a sign in front of a number", "-1:443", Code::kBadHostName},
      {"a shell variable", "$host:443", Code::kBadHostName},
      {"a semicolon", "ok;evil:443", Code::kBadHostName},
      {"a comma", "ok,evil:443", Code::kBadHostName},
  };
  expect_refusals(rows);
}

TEST(Authority, BoundsLabelsAt63BytesAndNamesAt253) {
  const std::string label(63, 'a');
  const std::string name = label + '.' + label + '.' + label + '.' + std::string(61, 'a');
  ASSERT_EQ(name.size(), 253u);
  EXPECT_EQ(outcome(name + ":443"), "accepted as " + name + ":443");
  EXPECT_EQ(outcome(name + ".:443"), "accepted as " + name + ":443");
  EXPECT_EQ(outcome(name + "a:443"), "bad_host_name");
  EXPECT_EQ(outcome(label + "a.example:443"), "bad_host_name");
  EXPECT_EQ(outcome(std::string(100'000, 'a') + ":443"), "bad_host_name");
  EXPECT_EQ(outcome(std::string(100'000, '9') + ":443"), "bad_host_name");
  EXPECT_EQ(outcome("[" + std::string(100'000, ':') + "]:443"), "bad_ipv6");
}

TEST(CanonicalName, RefusesAddressesBecauseTheyAreNotNames) {
  EXPECT_EQ(canonical_name("127.0.0.1").error().code, Code::kNumericHost);
  EXPECT_EQ(canonical_name("::1").error().code, Code::kBadHostName);
  EXPECT_EQ(canonical_name("Example.COM."), "example.com");
}

TEST(HostField, AgreesInAnySpellingOfTheSameHostWithOrWithoutThePort) {
  struct {
    const char* what;
    const char* field;
    const char* target;
    bool agrees;
  } const cases[] = {
      {"the same", "h.example:443", "h.example:443", true},
      {"without the port", "h.example", "h.example:8443", true},
      {"other case and a root dot", "H.Example.", "h.example:443", true},
      {"IPv6 written out", "[0:0:0:0:0:0:0:1]", "[::1]:443", true},
      {"another port", "h.example:80", "h.example:443", false},
      {"another host", "i.example", "h.example:443", false},
      {"a mapped address is another host", "[::ffff:192.0.2.1]", "192.0.2.1:443", false},
  };
  for (const auto& row : cases) {
    const auto field = parse_host_field(row.field);
    ASSERT_TRUE(field) << row.what;
    EXPECT_EQ(field->agrees_with(*parse_authority(row.target)), row.agrees) << row.what;
  }
  for (const char* text : {"", ":443", "h:", "h:0", "h:0443", "u@h", "http://h", "127.1", "::1"}) {
    EXPECT_FALSE(parse_host_field(text)) << text;
  }
}

// Texts made of what authorities are made of, so that a good part of them is accepted.
std::string random_authority(Random& random) {
  constexpr std::string_view kPieces[] = {
      "0",    "1", "127",   "255",  "0x",    "0X7f", "f",        "a",         "example",
      "xn--", "-", "_",     ".",    ".",     ".",    "..",       ":",         "::",
      "[",    "]", "[::1]", "[fe8", "%25",   "@",    "/",        "127.0.0.1", "e0",
      "08",   "Z", "x.com", "ff:",  "1:2:3", "\x80", "localhost"};
  std::string text;
  for (uint64_t pieces = 1 + random.below(6); pieces > 0; --pieces) {
    text += kPieces[random.below(std::size(kPieces))];
  }
  if (random.below(8) != 0) text += ":" + std::to_string(random.below(70'000));
  return text;
}

TEST(Authority, RoundTripsAndNeverPassesANameThatLibcTakesForAnAddress) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  int names = 0;
  int literals = 0;
  for (int round = 0; round < 200'000; ++round) {
    const std::string text = random_authority(random);
    const auto authority = parse_authority(text);
    if (!authority) continue;
    ASSERT_EQ(parse_authority(authority->text()), authority) << text;
    if (authority->literal) {
      ++literals;
      ASSERT_EQ(IpAddress::parse(authority->host), authority->literal) << text;
    } else {
      ++names;
      ASSERT_FALSE(libc_takes_for_an_address(authority->host)) << text;
      ASSERT_EQ(canonical_name(authority->host), authority->host) << text;
    }
  }
  EXPECT_GT(names, 1000);
  EXPECT_GT(literals, 100);
}

}  // namespace
}  // namespace penstock::http
