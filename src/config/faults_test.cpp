// What is wrong, where, and what would be right: every message as a person sees it.
#include <gtest/gtest.h>

#include <span>

#include "config/config.h"

namespace penstock::config {
namespace {

// Line 1 of most files here.
constexpr std::string_view kListener = "listeners: [{address: 127.0.0.1:3128}]\n";

std::string report(std::string_view text) {
  const auto config = parse(text, "f");
  return config ? "accepted" : describe(config.error(), "f");
}
std::string report_behind_listener(std::string_view more) {
  return report(std::string(kListener) + std::string(more));
}

struct Wrong {
  const char* text;  // from line 2
  const char* said;  // without file and last line end
};

void expect(std::span<const Wrong> table) {
  for (const Wrong& wrong : table) {
    EXPECT_EQ(report_behind_listener(wrong.text), "f:" + std::string(wrong.said) + "\n")
        << wrong.text;
  }
}

TEST(Faults, NameUnknownKeysAndWhatWasMeant) {
  constexpr Wrong kTable[] = {
      {"limits: {tunels: 3}", "2:10: limits: unknown key \"tunels\"; did you mean \"tunnels\"?"},
      {"timeout: {}", "2:1: unknown key \"timeout\"; did you mean \"timeouts\"?"},
      {"Workers: 3", "2:1: unknown key \"Workers\"; did you mean \"workers\"?"},
      {"dial:\n  quux: 1",
       "3:3: dial: unknown key \"quux\"; the keys here are source_addresses, family, keepalive, "
       "unacknowledged and spares"},
      {"dial: {spares: {destination: []}}",
       "2:17: dial.spares: unknown key \"destination\"; did you mean \"destinations\"?"},
      {"policy: {rules: [{allow: [\"*:443\"], client: [10.0.0.0/8]}]}",
       "2:37: policy.rules[0]: unknown key \"client\"; did you mean \"clients\"?"},
      {"\"a\\nb\": 1",
       "2:1: unknown key \"a\\u000ab\"; the keys here are listeners, admin, workers, policy, "
       "parents, inspection, icap, quotas, identity, timeouts, "
       "limits, overload, breaker, dns, dial, log, observe and server_timing"},
  };
  expect(kTable);
}

TEST(Faults, NameQuotasThatMakeNoSense) {
  constexpr Wrong kTable[] = {
      {"quotas: [{name: a, clients: [10.0.0.0/8]}]",
       "2:10: quotas[0]: a quota needs tunnels, setups, bytes or bandwidth; it limits nothing"},
      {"quotas: [{tunnels: 0}]",
       "2:20: quotas[0].tunnels: found \"0\"; expected a whole number from 1 to 1000000000"},
      {"quotas: [{setups: 50}]",
       "2:19: quotas[0].setups: found \"50\"; expected a rate above 0, such as 50/s, 300/m, 1000/h "
       "or 5000/d"},
      {"quotas: [{bytes: 10GB/h}]",
       "2:18: quotas[0].bytes: found \"10GB/h\"; expected bytes above 0 in an interval, such as "
       "10GiB/h or 1GiB/d"},
      {"quotas: [{bandwidth: 0}]",
       "2:22: quotas[0].bandwidth: found \"0\"; expected a rate above 0, such as 100MiB/s; leave "
       "it "
       "out for no limit"},
      {"quotas: [{tunnels: 1, burst: 5}]",
       "2:30: quotas[0].burst: is of set-ups, and there are no setups; write for example setups: "
       "50/s"},
      {"quotas: [{tunnels: 1, bytes_end_tunnels: true}]",
       "2:42: quotas[0].bytes_end_tunnels: has no meaning without bytes; write for example bytes: "
       "10GiB/h"},
      {"quotas: [{tunnels: 1, each: identity}]",
       "2:29: quotas[0].each: would count clients without an identity as one; write for example "
       "identities: [\"*\"]"},
      {"quotas: [{tunnels: 1, each: host}]",
       "2:29: quotas[0].each: found \"host\"; expected client, identity or quota"},
      {"quotas:\n  - {name: a, clients: [10.0.0.0/8], tunnels: 1}\n  - {name: a, tunnels: 2}",
       "4:5: name: \"a\" is taken by the quota in line 3; write another"},
      {"quotas: [{tunnels: 1, clients: [10.0.0.1/8]}]",
       "2:33: clients: \"10.0.0.1/8\" has bits behind its length; the network is 10.0.0.0/8"},
  };
  expect(kTable);
}

TEST(Faults, OfTlsListenersSayWhatIsMissing) {
  const auto said = [](std::string_view tls) {
    return report("listeners: [{address: 127.0.0.1:3128, tls: " + std::string(tls) + "}]");
  };
  constexpr std::string_view kGood = "certificates: [{certificate: /a.pem, key: /a.key}]";
  const auto good_and = [&](std::string_view more) {
    return said("{" + std::string(kGood) + ", " + std::string(more) + "}");
  };
  EXPECT_EQ(said("{certificates: []}"),
            "f:1:59: listeners[0].tls.certificates: the list is empty; name at least one, or leave "
            "the key out\n");
  EXPECT_EQ(said("{certificates: [{certificate: /a.pem}]}"),
            "f:1:60: listeners[0].tls.certificates[0]: key \"key\" is missing\n");
  EXPECT_EQ(said("{certificates: [{certificate: a.pem, key: /a.key}]}"),
            "f:1:74: listeners[0].tls.certificates[0].certificate: found \"a.pem\"; expected the "
            "path of a file from the root on, such as /etc/penstock/users\n");
  EXPECT_EQ(good_and("client_certificates: required"),
            "f:1:118: listeners[0].tls.client_certificates: needs client_ca, the certificates of "
            "those who sign for clients\n");
  EXPECT_EQ(good_and("client_ca: /ca.pem"),
            "f:1:108: listeners[0].tls.client_ca: has no meaning while clients are asked for no "
            "certificate; write client_certificates: optional or required\n");
}

TEST(Faults, NameProvidersOfIdentityThatCannotWork) {
  constexpr Wrong kTable[] = {
      {"identity: [{groups: [a]}]",
       "2:12: identity[0]: a provider needs one of clients, certificate, basic, jwt, negotiate and "
       "authorizer, such as basic: /etc/penstock/users"},
      {"identity: [{basic: /a/b, jwt: /c/d}]",
       "2:12: identity[0]: a provider has one of clients, certificate, basic, jwt, negotiate and "
       "authorizer; write two of them"},
      {"identity: [{negotiate: proxy.keytab}]",
       "2:24: identity[0].negotiate: found \"proxy.keytab\"; expected the path of a file from the "
       "root on, such as /etc/penstock/users"},
      {"identity: [{negotiate: /a, service: HTTP/proxy}]",
       "2:37: identity[0].service: found \"HTTP/proxy\"; expected a service and its host, such as "
       "HTTP@proxy.example.com"},
      {"identity: [{negotiate: /a, cache: 5m}]",
       "2:35: identity[0].cache: has no meaning beside negotiate; remove it"},
      {"identity: [{authorizer: 'http://10.0.0.1/'}]",
       "2:25: identity[0].authorizer: this URL is not encrypted and leaves this machine, so that "
       "anybody on the way could answer; use https://"},
      {"identity: [{authorizer: 'https://a/', credentials: [negotiate]}]",
       "2:53: identity[0].credentials[0]: found \"negotiate\"; expected basic, bearer or none"},
      {"identity: [{authorizer: 'https://a/', credentials: [none], tells: [method]}]",
       "2:52: identity[0].credentials: none needs client among tells: nothing else says who sends "
       "no credentials"},
      {"identity: [{authorizer: 'https://a/', groups_field: Remote-Groups}]",
       "2:53: identity[0].groups_field: needs identity_field beside it"},
      {"identity: [{authorizer: 'https://a/', identity_field: 'a b'}]",
       "2:55: identity[0].identity_field: found \"a b\" in quotes; expected the name of a header "
       "field, such as Remote-User"},
      {"identity: [{clients: [10.0.0.0/8]}]",
       "2:12: identity[0]: clients needs identity beside it"},
      {"identity: [{clients: [10.0.0.0/8], identity: a, realm: r}]",
       "2:56: identity[0].realm: has no meaning beside clients; remove it"},
      {"identity: [{basic: users}]",
       "2:20: identity[0].basic: found \"users\"; expected the path of a file from the root on, "
       "such "
       "as /etc/penstock/users"},
      {"identity: [{basic: /a/b, issuer: c}]",
       "2:34: identity[0].issuer: has no meaning beside basic; remove it"},
      {"identity: [{basic: /a/b, realm: 'a\"b'}]",
       "2:33: identity[0].realm: found \"a\\\"b\" in quotes; expected 1 to 128 printable ASCII "
       "characters "
       "without quotes and backslashes"},
      {"identity: [{jwt: /a/b, issuer: c}]", "2:12: identity[0]: jwt needs audience beside it"},
      {"identity: [{jwt: /a/b, issuer: c, audience: [d], leeway: 6m}]",
       "2:58: identity[0].leeway: found \"6m\"; expected at least 0s and at most 5m"},
      {"identity: [{jwt: jwks.json, issuer: c, audience: [d]}]",
       "2:18: identity[0].jwt: found \"jwks.json\"; expected the path of a file from the root on, "
       "or "
       "a URL such as https://login.example.com/keys"},
      {"identity: [{jwt: 'http://a.example/keys', issuer: c, audience: [d]}]",
       "2:18: identity[0].jwt: this URL is not encrypted and leaves this machine, so that anybody "
       "on the way could answer; use https://"},
      {"identity: [{jwt: /a/b, ca: /c, issuer: c, audience: [d]}]",
       "2:28: identity[0].ca: has no meaning where keys come from a file; remove it, or write a "
       "URL "
       "for jwt"},
      {"identity: [{jwt: 'https://a.example/keys', refresh: 10s, issuer: c, audience: [d]}]",
       "2:53: identity[0].refresh: found \"10s\"; expected at least 1m and at most 24h"},
      {"identity: [{certificate: cn}]",
       "2:26: identity[0].certificate: found \"cn\"; expected subject, dns, email, uri or spiffe"},
      {"limits: {failed_logins: 0/s}",
       "2:25: limits.failed_logins: found \"0/s\"; expected a rate above 0, such as 50/s, 300/m, "
       "1000/h or 5000/d"},
  };
  expect(kTable);
}

TEST(Faults, OfSpareConnectionsSayWhatWouldBeRight) {
  constexpr Wrong kTable[] = {
      {"dial: {spares: {destinations: [\"*.example.com:443\"]}}",
       "2:32: dial.spares.destinations[0]: \"*.example.com:443\" is not one destination; write "
       "host:port, such as api.example.com:443, and no pattern"},
      {"dial: {spares: {destinations: [api.example.com]}}",
       "2:32: dial.spares.destinations[0]: \"api.example.com\" is not one destination; write "
       "host:port, such as api.example.com:443, and no pattern"},
      {"dial: {spares: {each: 0}}",
       "2:23: dial.spares.each: found \"0\"; expected a whole number from 1 to 16"},
      {"dial: {spares: {age: 5m}}",
       "2:22: dial.spares.age: found \"5m\"; expected at least 100ms and at most 1m"},
  };
  expect(kTable);
}

// What stands there may hold a password.
TEST(Faults, OfParentsSayWhatWouldBeRightAndRepeatNoPassword) {
  const Wrong kTable[] = {
      {"policy: {rules: [{name: a, allow: [\"*:443\"], via: [\"socks5://me:pw@p.test:1080\"]}]}",
       "2:52: via: socks5:// would have names looked up here and sent as addresses, which is not "
       "done; write socks5h://HOST:PORT, where the proxy looks them up"},
      {"policy: {rules: [{name: a, allow: [\"*:443\"], via: [\"socks4://me:pw@p.test:1080\"]}]}",
       "2:52: via: \"p.test:1080\" is no proxy that is spoken here; write http://HOST:PORT, "
       "https://HOST:PORT or socks5h://HOST:PORT"},
      {"policy: {rules: [{name: a, allow: [\"*:443\"], via: [\"socks5h://:pw@p.test\"]}]}",
       "2:52: via: a user and a password of SOCKS have 1 to 255 bytes each; leave both out for "
       "none"},
      {"policy: {rules: [{name: a, allow: [\"*:443\"], via: [\"http://me:pw@p.test:0\"]}]}",
       "2:52: via: \"p.test:0\": The port must be a decimal number from 1 to 65535 without leading "
       "zeros. Write http://127.0.0.1:3128, for example."},
      {"policy: {rules: [{name: a, deny: [\"*:443\"], via: [\"http://p.test\"]}]}",
       "2:51: via: rule \"a\" refuses and so leads nowhere; remove it"},
      {"policy: {rules: [{name: a, allow: [\"*:443\"], addresses: [10.0.0.0/8], via: "
       "[\"http://p.test\"]}]}",
       "2:77: via: a parent looks names up by itself, so nothing here can hold rule \"a\" to its "
       "addresses; remove one of the two"},
  };
  expect(kTable);
}

TEST(Faults, NameValuesOfTheWrongKind) {
  constexpr Wrong kTable[] = {
      {"workers: \"4\"",
       "2:10: workers: found \"4\" in quotes; expected a whole number from 0 to 1024"},
      {"workers: 1025", "2:10: workers: found \"1025\"; expected a whole number from 0 to 1024"},
      {"workers: 0x4", "2:10: workers: found \"0x4\"; expected a whole number from 0 to 1024"},
      {"workers: -1", "2:10: workers: found \"-1\"; expected a whole number from 0 to 1024"},
      {"workers: ~", "2:1: workers: found nothing; expected a whole number from 0 to 1024"},
      {"workers: [4]", "2:10: workers: found a list; expected a whole number from 0 to 1024"},
      {"server_timing: yes", "2:16: server_timing: found \"yes\"; expected true or false"},
      {"server_timing: True", "2:16: server_timing: found \"True\"; expected true or false"},
      {"server_timing: \"true\"",
       "2:16: server_timing: found \"true\" in quotes; expected true or false"},
      {"timeouts: [1]", "2:11: timeouts: found a list; expected a mapping with keys such as head"},
      {"dns:\nworkers: 1", "2:1: dns: found nothing; expected a mapping with keys such as servers"},
      {"admin: on",
       "2:8: admin: found \"on\"; expected off, or a mapping such as {address: 127.0.0.1:3129}"},
      {"admin: {}", "2:8: admin: key \"address\" is missing"},
      {"admin: {address: localhost:3129}",
       "2:18: admin.address: found \"localhost:3129\"; expected address and port, such as "
       "127.0.0.1:3128 or \"[::1]:3128\""},
      {"limits: {tunnels: many}",
       "2:19: limits.tunnels: found \"many\"; expected auto or a whole number from 0 to "
       "1000000000"},
      {"limits: {tunnels: \"5\"}",
       "2:19: limits.tunnels: found \"5\" in quotes; expected auto or a whole number from 0 to "
       "1000000000"},
      {"limits: {head_fields: 0}",
       "2:23: limits.head_fields: found \"0\"; expected a whole number from 1 to 10000"},
      {"limits: {head_bytes: 16}",
       "2:22: limits.head_bytes: found \"16\"; expected a whole number with a unit (B, KiB, MiB or "
       "GiB), such as 16KiB"},
      {"limits: {head_bytes: 2MiB}",
       "2:22: limits.head_bytes: found \"2MiB\"; expected at least 1KiB and at most 1MiB"},
      {"limits: {memory: 1MiB}",
       "2:18: limits.memory: found \"1MiB\"; expected auto, 0B for no limit, or a size from 32MiB "
       "on"},
      {"overload: {close_idle: 10ms}",
       "2:24: overload.close_idle: found \"10ms\"; expected 0s for off, or a duration from 1s to "
       "24h"},
      {"limits: {tunnel_bandwidth: 10MiB}",
       "2:28: limits.tunnel_bandwidth: found \"10MiB\"; expected a rate such as 10MiB/s, or 0 for "
       "no limit"},
      {"timeouts: {head: 10}",
       "2:18: timeouts.head: found \"10\"; expected a whole number with a unit (ms, s, m or h), "
       "such as 10s, at most 8760h"},
      {"timeouts: {attempt: 1ms}",
       "2:21: timeouts.attempt: found \"1ms\"; expected at least 10ms and at most 10s"},
      {"dial: {keepalive: 500ms}",
       "2:19: dial.keepalive: found \"500ms\"; expected 0s for off, or a duration from 1s to 9h"},
      {"dial: {family: v5}", "2:16: dial.family: found \"v5\"; expected any, v4 or v6"},
      {"dial: {source_addresses: [10.0.0.0/8]}",
       "2:27: dial.source_addresses[0]: found \"10.0.0.0/8\"; expected an IP address, such as "
       "192.0.2.1 or \"2001:db8::1\""},
      {"dns: {servers: [10.0.0.53:0]}",
       "2:17: dns.servers[0]: found \"10.0.0.53:0\"; expected the address of a server, with a port "
       "unless it is 53, such as 10.0.0.53 or \"[fd00::53]:5353\""},
      {"log: {access: stdot}",
       "2:15: log.access: found \"stdot\"; expected stdout, stderr, off or the path of a file with "
       "a slash in it, such as /var/log/penstock/access.log"},
      {"log: {level: warn}",
       "2:14: log.level: found \"warn\"; expected debug, info, warning or error"},
      {"policy: {mode: off}", "2:16: policy.mode: found \"off\"; expected enforce or report"},
  };
  expect(kTable);
}

TEST(Faults, NameRulesThatSayTooLittleOrTooMuch) {
  constexpr Wrong kTable[] = {
      {"policy: {rules: [{name: a, allow: [\"*:443\"], deny: [\"*:80\"]}]}",
       "2:18: policy.rules[0]: a rule has either allow or deny; write two rules"},
      {"policy: {rules: [{name: a}]}",
       "2:18: policy.rules[0]: a rule needs allow or deny with destinations, such as allow: "
       "[\"*:443\"]"},
      {"policy: {rules: [{allow: []}]}",
       "2:26: policy.rules[0].allow: the list is empty; name at least one, or leave the key out"},
      {"policy: {rules: [{allow: [\"*:443\"], clients: []}]}",
       "2:46: policy.rules[0].clients: the list is empty; name at least one, or leave the key out"},
      {"policy: {rules: [{deny: [\"*:443\"], tls: ignored}]}",
       "2:41: policy.rules[0].tls: has no meaning in a rule that denies; remove it"},
      {"policy: {rules: [{allow: \"*:443\"}]}",
       "2:26: policy.rules[0].allow: found \"*:443\" in quotes; expected a list, in brackets or "
       "with a dash before each element"},
      {"policy: {rules: [{allow: [\"*:443\"], name: \"\"}]}",
       "2:43: policy.rules[0].name: found \"\" in quotes; expected a name of 1 to 128 bytes on one "
       "line"},
      {"policy: {rules: [{allow: [[\"*:443\"]]}]}",
       "2:27: policy.rules[0].allow[0]: found a list; expected text"},
  };
  expect(kTable);
}

TEST(Faults, NameWhatContradictsEachOther) {
  constexpr Wrong kTable[] = {
      {"admin: {address: 127.0.0.1:3128}",
       "2:18: admin.address: 127.0.0.1:3128 is the address of a listener; the admin needs one of "
       "its own"},
      {"timeouts: {attempt: 6s}",
       "2:21: timeouts.attempt: 6s is longer than timeouts.dial (5s); a second address would never "
       "be tried"},
      {"timeouts: {dial: 100ms}",
       "2:18: timeouts.attempt: 250ms is longer than timeouts.dial (100ms); a second address would "
       "never be tried"},
      {"dns: {min_ttl: 2h}", "2:16: dns.min_ttl: 2h is longer than dns.max_ttl (1h)"},
      {"dns: {max_ttl: 0s}", "2:16: dns.min_ttl: 1s is longer than dns.max_ttl (0s)"},
      {"breaker: {pause: 1m}", "2:18: breaker.pause: 1m is longer than breaker.pause_max (30s)"},
  };
  expect(kTable);
  EXPECT_EQ(report_behind_listener("timeouts: {dial: 0s, attempt: 10s}"), "accepted");
  EXPECT_EQ(report_behind_listener("dns: {max_ttl: 0s, min_ttl: 0s}"), "accepted");
  EXPECT_EQ(report("listeners:\n- address: \"[::1]:1\"\n- address: \"[0::1]:1\"\n"),
            "f:3:12: listeners: [::1]:1 is listed twice; the first is on line 2\n");
}

TEST(Faults, NameYamlThatHidesWhatItMeans) {
  constexpr Wrong kTable[] = {
      {"dns: &d {search: true}",
       "2:6: anchors are not supported; write the value where it is needed"},
      {"workers: !!int 4", "2:10: tags are not supported; remove \"!!int\""},
      {"dns: !map {search: true}", "2:6: tags are not supported; remove \"!map\""},
      {"dns:\n  <<: {search: true}", "3:3: merge keys are not supported; write the values out"},
      {"dns: {search: true}\ndns: {search: false}",
       "3:1: key \"dns\" stands twice in the same mapping; the first is on line 2"},
      {"? [a, b]\n: 1", "2:3: a key must be plain text"},
      {"~: 1", "2:1: a key must be plain text"},
      {"---\nworkers: 4", "2:1: a second YAML document; only one can be read"},
      {"# \x04\nworkers: 4", "2:3: a byte that is neither printable nor UTF-8"},
      {"# \xe2\x80\xae allow", "2:3: a byte that is neither printable nor UTF-8"},
      {"policy: {rules: [{allow: [*:443]}]}",
       "2:27: not valid YAML: the referenced anchor is not defined; text that begins with * or & "
       "must be in quotes, as in \"*:443\""},
      {"dns:\n\tsearch: true",
       "3:8: not valid YAML: illegal map value; indent with spaces, not with a tab"},
      {"dns: {search: true\n", "3:1: not valid YAML: end of map flow not found"},
  };
  expect(kTable);
  EXPECT_EQ(report_behind_listener("dns: &d {search: true}\nlog: *d\n"),
            "f:2:6: anchors are not supported; write the value where it is needed\n"
            "f:3:6: aliases are not supported; write text that begins with * in quotes\n");
}

TEST(Faults, NameAFileThatIsNoConfigurationAtAll) {
  EXPECT_EQ(report(""),
            "f: the file is empty; it needs at least a listener, such as listeners: [{address: "
            "127.0.0.1:3128}]\n");
  EXPECT_EQ(report("# nothing but this\n"), report(""));
  EXPECT_EQ(report("- a\n"),
            "f:1:1: found a list; expected a mapping with keys such as listeners\n");
  EXPECT_EQ(report("workers: 1\n"), "f:1:1: key \"listeners\" is missing\n");
  EXPECT_EQ(report("listeners: []\n"),
            "f:1:12: listeners: the list is empty; name at least one, or leave the key out\n");
}

TEST(Faults, NameNestingThatIsTooDeep) {
  const std::string deep(40, '[');
  EXPECT_EQ(report_behind_listener("workers: " + deep + std::string(40, ']')),
            "f:2:10: workers: found a list; expected a whole number from 0 to 1024\n"
            "f:2:25: nested too deeply\n");
  // So deep that the YAML library gives up; where it says so is its own affair.
  const std::string deeper = report_behind_listener("workers: " + std::string(100'000, '['));
  EXPECT_TRUE(deeper.starts_with("f:2:")) << deeper;
  EXPECT_TRUE(deeper.ends_with(": nested too deeply\n")) << deeper;
}

TEST(Faults, AreAllInOneReportFromTopToBottom) {
  EXPECT_EQ(report(R"(listeners:
  - address: 127.0.0.1:3128
  - address: 127.0.0.1:3128
  - adress: 127.0.0.1:3129
workers: many
policy:
  mode: audit
  rules:
    - name: first
      allow: ["*:443", "example.com"]
      clients: []
    - deny: ["10.0.0.0/8:1"]
      tls: required
timeouts: {attempt: 9s, head: 3}
timeouts: {idle: 1h}
)"),
            "f:3:14: listeners: 127.0.0.1:3128 is listed twice; the first is on line 2\n"
            "f:4:5: listeners[2]: key \"address\" is missing\n"
            "f:4:5: listeners[2]: unknown key \"adress\"; did you mean \"address\"?\n"
            "f:5:10: workers: found \"many\"; expected a whole number from 0 to 1024\n"
            "f:7:9: policy.mode: found \"audit\"; expected enforce or report\n"
            "f:10:24: allow: \"example.com\" says no port; write \"example.com:443\"\n"
            "f:11:16: policy.rules[0].clients: the list is empty; name at least one, or leave the "
            "key out\n"
            "f:13:12: policy.rules[1].tls: has no meaning in a rule that denies; remove it\n"
            "f:14:21: timeouts.attempt: 9s is longer than timeouts.dial (5s); a second address "
            "would never be tried\n"
            "f:14:31: timeouts.head: found \"3\"; expected a whole number with a unit (ms, s, m or "
            "h), such as 10s, at most 8760h\n"
            "f:15:1: key \"timeouts\" stands twice in the same mapping; the first is on line 14\n");
}

TEST(Faults, WithoutAPlaceAreDescribedWithoutOne) {
  EXPECT_EQ(describe({{{}, "gone"}, {{3, 4}, "wrong"}}, "a.yaml"),
            "a.yaml: gone\na.yaml:3:4: wrong\n");
}

}  // namespace
}  // namespace penstock::config
