#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "config/config.h"

namespace penstock::config {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kListener = "listeners: [{address: 127.0.0.1:3128}]\n";

Snapshot must_parse(std::string_view text) {
  auto config = parse(text, "test.yaml");
  EXPECT_TRUE(config) << (config ? "" : describe(config.error(), "test.yaml"));
  return config ? *config : defaults();
}

Snapshot with(std::string_view more) {
  return must_parse(std::string(kListener) + std::string(more));
}

// The example of the manual, comments and all.
constexpr std::string_view kExample = R"(
listeners:
  - address: 127.0.0.1:3128
admin:
  address: 127.0.0.1:3129
workers: 0                    # 0: one per CPU this process may use
policy:
  mode: enforce               # report: log what would be refused, refuse nothing that is public
  rules:                      # first match decides; no match is a refusal
    - name: suppliers
      allow: ["api.example.com:443", "*.cdn.example.net:443"]
      clients: [10.20.0.0/16]
      identities: [ci]
    - name: lab
      allow: ["127.0.0.1:9000-9100", "git.corp.example:22,443"]
      addresses: [127.0.0.0/8, 10.1.2.0/24]   # the only addresses these names may lead to; opens internal ones on purpose
      tls: checked            # required | checked | ignored
      ech: deny               # deny | allow
timeouts: {head: 10s, queue: 500ms, resolve: 3s, dial: 5s, attempt: 250ms, hello: 5s, idle: 15m, half_closed: 1m, lifetime: 0s, drain: 30s}
limits: {tunnels: auto, tunnels_per_client: 0, head_bytes: 16KiB, pending: auto, pending_per_destination: auto}
dns: {servers: [], search: false, cache_entries: 65536, min_ttl: 1s, max_ttl: 1h, negative_ttl: 5s, stale: 30s}
dial: {source_addresses: [], family: any}
log: {access: stdout, level: info}
server_timing: false
)";

std::vector<std::string> values(const std::vector<Located<std::string>>& located) {
  std::vector<std::string> out;
  for (const auto& element : located) out.push_back(element.value);
  return out;
}
using Texts = std::vector<std::string>;

TEST(Configuration, ExampleIsReadAsItSays) {
  const Snapshot config = must_parse(kExample);
  ASSERT_EQ(config->listeners.size(), 1u);
  EXPECT_EQ(config->listeners[0].address.text(), "127.0.0.1:3128");
  EXPECT_EQ(config->listeners[0].place.line, 3);
  EXPECT_EQ(config->listeners[0].place.column, 14);
  ASSERT_TRUE(config->admin);
  EXPECT_EQ(config->admin->text(), "127.0.0.1:3129");
  EXPECT_EQ(config->workers, 0u);
  EXPECT_EQ(config->policy.mode, policy::Mode::kEnforce);
  EXPECT_EQ(config->policy_reload, PolicyReload::kRecheck);
  EXPECT_FALSE(config->server_timing);
  EXPECT_EQ(config->file, "test.yaml");
  ASSERT_NE(config->rules, nullptr);
  EXPECT_EQ(config->rules->size(), 2u);
}

TEST(Configuration, ExampleRulesAreReadAsTheySay) {
  const Snapshot config = must_parse(kExample);
  ASSERT_EQ(config->policy.rules.size(), 2u);
  const policy::RuleSpec& suppliers = config->policy.rules[0];
  EXPECT_EQ(suppliers.name, "suppliers");
  EXPECT_TRUE(suppliers.allow);
  EXPECT_EQ(values(suppliers.patterns), (Texts{"api.example.com:443", "*.cdn.example.net:443"}));
  EXPECT_EQ(values(suppliers.clients), (Texts{"10.20.0.0/16"}));
  EXPECT_EQ(values(suppliers.identities), (Texts{"ci"}));
  EXPECT_TRUE(suppliers.addresses.empty());
  EXPECT_EQ(suppliers.place.line, 10);
  EXPECT_EQ(suppliers.patterns[1].place.line, 11);
  EXPECT_EQ(suppliers.patterns[1].place.column, 38);
  const policy::RuleSpec& lab = config->policy.rules[1];
  EXPECT_EQ(values(lab.addresses), (Texts{"127.0.0.0/8", "10.1.2.0/24"}));
  EXPECT_EQ(lab.tls, policy::TlsCheck::kChecked);
  EXPECT_EQ(lab.ech, policy::EchCheck::kDeny);
}

TEST(Configuration, ExampleNumbersAreReadAsTheySay) {
  const Snapshot config = must_parse(kExample);
  const Timeouts& timeouts = config->timeouts;
  EXPECT_EQ(timeouts.head, 10s);
  EXPECT_EQ(timeouts.queue, 500ms);
  EXPECT_EQ(timeouts.resolve, 3s);
  EXPECT_EQ(timeouts.dial, 5s);
  EXPECT_EQ(timeouts.attempt, 250ms);
  EXPECT_EQ(timeouts.hello, 5s);
  EXPECT_EQ(timeouts.idle, 15min);
  EXPECT_EQ(timeouts.half_closed, 1min);
  EXPECT_EQ(timeouts.lifetime, 0s);
  EXPECT_EQ(timeouts.drain, 30s);
  EXPECT_EQ(config->limits.tunnels, std::nullopt);
  EXPECT_EQ(config->limits.tunnels_per_client, 0u);
  EXPECT_EQ(config->limits.head_bytes, 16384u);
  EXPECT_EQ(config->limits.pending, std::nullopt);
  EXPECT_EQ(config->limits.pending_per_destination, std::nullopt);
  EXPECT_EQ(config->dns.cache_entries, 65536u);
  EXPECT_EQ(config->dns.negative_ttl, 5s);
  EXPECT_EQ(config->dns.stale, 30s);
  EXPECT_EQ(config->dial.family, Family::kAny);
  EXPECT_EQ(config->log.access, "stdout");
  EXPECT_EQ(config->log.level, LogLevel::kInfo);
}

TEST(Configuration, QuotasAreReadAsTheySay) {
  const Snapshot config = with(R"(
limits: {tunnels_per_client: 9}
quotas:
  - name: ci
    clients: [10.20.0.0/16]
    identities: [ci-*]
    each: identity
    tunnels: 100
    setups: 50/s
    burst: 100
    bytes: 10GiB/h
    bytes_end_tunnels: true
    bandwidth: 100MiB/s
  - {clients: [10.21.0.0/16], each: quota, setups: 60/m}
)");
  ASSERT_EQ(config->quota_specs.size(), 2u);
  const admission::QuotaSpec& ci = config->quota_specs[0];
  EXPECT_EQ(ci.name, "ci");
  EXPECT_EQ(ci.place.line, 5);
  EXPECT_EQ(values(ci.clients), (Texts{"10.20.0.0/16"}));
  EXPECT_EQ(values(ci.identities), (Texts{"ci-*"}));
  EXPECT_EQ(ci.each, admission::Each::kIdentity);
  EXPECT_EQ(ci.limits, (admission::QuotaLimits{.tunnels = 100,
                                               .setups = {50, 1s},
                                               .burst = 100,
                                               .bytes = {uint64_t{10} << 30, 1h},
                                               .bytes_end_tunnels = true,
                                               .bandwidth = 100 << 20}));
  EXPECT_EQ(config->quota_specs[1].name, "quota 2");
  EXPECT_EQ(config->quota_specs[1].each, admission::Each::kQuota);
  EXPECT_EQ(config->quotas->size(), 3u) << "limits.tunnels_per_client is the last";
}

TEST(Configuration, EveryOtherKeyIsReadAsItSays) {
  const Snapshot config = with(R"(
admin: off
workers: 4
policy:
  mode: report
  reload: keep
  rules:
    - {name: inside, deny: ["10.0.0.0/8:1-65535"]}
    - {allow: ["*:443"], methods: [CONNECT, GET], tls: required, ech: allow}
timeouts: {attempt: 100ms, dial: 2s, response: 9s, keep_alive: 8s}
limits: {tunnels: 1000, head_fields: 50, pending: 5, pending_per_destination: 0,
         memory: 512MiB, tunnel_bandwidth: 10MiB/s}
overload: {close_idle: 5m}
dns: {servers: [10.0.0.53, "[fd00::53]:5353", "fd00::54"], search: true}
dial: {source_addresses: [192.0.2.1, "2001:db8::1"], family: v4, keepalive: 0s, unacknowledged: 30s,
       spares: {destinations: ["API.example.com:443", "[2001:DB8::1]:8443"], popular: 5, each: 3, age: 2s}}
log: {access: /var/log/penstock.log, level: debug, progress: 1m, path: true}
server_timing: true
)");
  EXPECT_FALSE(config->admin);
  EXPECT_EQ(config->workers, 4u);
  EXPECT_EQ(config->policy.mode, policy::Mode::kReport);
  EXPECT_EQ(config->policy_reload, PolicyReload::kKeep);
  EXPECT_FALSE(config->policy.rules.at(0).allow);
  EXPECT_EQ(values(config->policy.rules[0].patterns), (Texts{"10.0.0.0/8:1-65535"}));
  EXPECT_EQ(config->policy.rules.at(1).name, "rule 2");
  EXPECT_EQ(config->policy.rules[1].tls, policy::TlsCheck::kRequired);
  EXPECT_EQ(config->policy.rules[1].ech, policy::EchCheck::kAllow);
  EXPECT_EQ(values(config->policy.rules[1].methods), (Texts{"CONNECT", "GET"}));
  EXPECT_EQ(config->timeouts.attempt, 100ms);
  EXPECT_EQ(config->timeouts.response, 9s);
  EXPECT_EQ(config->timeouts.keep_alive, 8s);
  EXPECT_EQ(config->limits.tunnels, 1000u);
  EXPECT_EQ(config->limits.head_fields, 50u);
  EXPECT_EQ(config->limits.pending, 5u);
  EXPECT_EQ(config->limits.pending_per_destination, 0u);
  EXPECT_EQ(config->limits.memory, 512u << 20);
  EXPECT_EQ(config->limits.bandwidth, 10u << 20);
  EXPECT_EQ(config->overload.close_idle, 5min);
  ASSERT_EQ(config->dns.servers.size(), 3u);
  EXPECT_EQ(config->dns.servers[0].text(), "10.0.0.53:53");
  EXPECT_EQ(config->dns.servers[1].text(), "[fd00::53]:5353");
  EXPECT_EQ(config->dns.servers[2].text(), "[fd00::54]:53");
  EXPECT_TRUE(config->dns.search);
  ASSERT_EQ(config->dial.source_addresses.size(), 2u);
  EXPECT_EQ(config->dial.source_addresses[1].text(), "2001:db8::1");
  EXPECT_EQ(config->dial.family, Family::kV4);
  EXPECT_EQ(config->dial.keepalive, 0s);
  EXPECT_EQ(config->dial.unacknowledged, 30s);
  const Spares& spares = config->dial.spares;
  ASSERT_EQ(spares.destinations.size(), 2u);
  EXPECT_EQ(spares.destinations[0].text(), "api.example.com:443");
  EXPECT_EQ(spares.destinations[1].text(), "[2001:db8::1]:8443");
  EXPECT_EQ(spares.popular, 5u);
  EXPECT_EQ(spares.each, 3u);
  EXPECT_EQ(spares.age, 2s);
  EXPECT_EQ(config->log.access, "/var/log/penstock.log");
  EXPECT_EQ(config->log.level, LogLevel::kDebug);
  EXPECT_EQ(config->log.progress, 1min);
  EXPECT_TRUE(config->log.path);
  EXPECT_TRUE(config->server_timing);
}

TEST(Configuration, WithNothingButAListenerRefusesEverythingAndSaysSo) {
  const Snapshot config = must_parse(kListener);
  EXPECT_FALSE(config->admin);
  EXPECT_EQ(config->rules->size(), 0u);
  EXPECT_EQ(describe(config->warnings, "f"),
            "f: policy.rules: no rules: every tunnel will be refused\n");
}

TEST(Configuration, WarnsOfWhatIsProbablyNotMeant) {
  const Snapshot config = with(R"(policy:
  mode: report
  rules:
    - {name: ci, allow: ["*:443"], identities: [ci]}
timeouts: {head: 0s}
)");
  EXPECT_EQ(describe(config->warnings, "f"),
            "f:3:9: policy.mode: report refuses nothing that is public; it only logs what enforce "
            "would refuse\n"
            "f:5:49: identities: nothing identifies clients (there is no `identity:`), so rule "
            "\"ci\" matches nobody\n"
            "f:6:18: timeouts.head: 0s lets a client hold a connection for ever without asking "
            "for anything\n");
  EXPECT_TRUE(with("policy: {rules: [{allow: [\"*:443\"]}]}\n")->warnings.empty());
}

TEST(Configuration, WarnsOfARuleThatRequiresTlsAndIsForNoTunnel) {
  const auto warnings = [](const std::string& methods) {
    return describe(
        with("policy: {rules: [{name: web, allow: [\"*:80\"], tls: required, methods: " + methods +
             "}]}\n")
            ->warnings,
        "f");
  };
  EXPECT_EQ(warnings("[GET, plain]"),
            "f:2:72: methods: rule \"web\" requires TLS and is for no CONNECT, so it refuses all "
            "that it matches\n");
  EXPECT_EQ(warnings("[GET, CONNECT]"), "");
}

TEST(Configuration, WarnsOfQuotasThatCannotDoWhatTheySay) {
  const Snapshot config = with(R"(policy: {rules: [{allow: ["*:443"]}]}
limits: {tunnels_per_client: 9}
quotas:
  - {name: ci, identities: [ci], tunnels: 1}
  - {name: all, tunnels: 2}
  - {name: late, clients: [10.0.0.0/8], tunnels: 3}
)");
  EXPECT_EQ(describe(config->warnings, "f"),
            "f:5:29: identities: nothing identifies clients (there is no `identity:`), so quota "
            "\"ci\" matches nobody\n"
            "f:6:5: quotas: everybody falls under \"all\", so limits.tunnels_per_client limits "
            "nobody\n"
            "f:7:5: quotas: \"late\" is never reached: everybody falls under \"all\" before it\n");
}

TEST(Configuration, WarnsOfPasswordsThatCrossAnOpenNetwork) {
  constexpr std::string_view kRest =
      "policy: {rules: [{allow: [\"*:443\"], identities: [ann], groups: [staff]}]}\n"
      "identity: [{clients: [10.0.0.0/8], identity: ci}, {basic: /etc/penstock/users}]\n";
  const auto warnings = [&](const std::string& listeners) {
    return describe(must_parse(listeners + std::string(kRest))->warnings, "f");
  };
  EXPECT_EQ(warnings("listeners: [{address: 127.0.0.1:1}, {address: \"[::1]:1\"}]\n"), "");
  EXPECT_EQ(warnings("listeners: [{address: 0.0.0.0:1}]\n"),
            "f:1:23: listeners: 0.0.0.0:1 is not encrypted, and basic credentials cross it in the "
            "clear\n");
}

TEST(Configuration, ReadsTheFilesOfItsProvidersAndNamesWhatIsWrongThere) {
  const Snapshot config = with(R"(policy: {rules: [{allow: ["*:443"]}]}
identity:
  - {clients: [10.0.0.0/8], identity: ci, groups: [builders]}
  - basic: /nonexistent/users
  - {jwt: /dev/null, issuer: a, audience: [b]}
)");
  EXPECT_EQ(config->identity, nullptr);
  const auto opened = with_identity(config);
  ASSERT_FALSE(opened);
  EXPECT_EQ(describe(opened.error(), "f"),
            "f:5:12: /nonexistent/users: cannot be read: No such file or directory\n"
            "f:6:11: /dev/null: is not a regular file\n");
}

TEST(Configuration, PortZeroMayBeListenedOnTwice) {
  EXPECT_EQ(must_parse("listeners: [{address: 127.0.0.1:0}, {address: 127.0.0.1:0}]\n"
                       "admin: {address: 127.0.0.1:0}\n")
                ->listeners.size(),
            2u);
}

TEST(Configuration, MayBeginWithAByteOrderMarkAndUseAnyLineEnd) {
  const Snapshot config = must_parse(
      "\xef\xbb\xbflisteners:\r\n- address: 127.0.0.1:3128\r\nworkers: 3 # \xc3\xa9\r\n");
  EXPECT_EQ(config->workers, 3u);
}

TEST(Configuration, MayBeJson) {
  EXPECT_EQ(must_parse(R"({"listeners": [{"address": "127.0.0.1:3128"}], "workers": 2})")->workers,
            2u);
}

TEST(Configuration, WithTwentyThousandRulesIsRead) {
  std::string text(kListener);
  text += "policy:\n  rules:\n";
  constexpr size_t kRules = 20'000;
  for (size_t i = 0; i < kRules; ++i) {
    const std::string n = std::to_string(i);
    text += "    - {name: r" + n + ", allow: [\"host" + n + ".example.com:443\"]}\n";
  }
  const Snapshot config = must_parse(text);
  ASSERT_EQ(config->rules->size(), kRules);
  EXPECT_EQ(config->policy.rules.back().name, "r19999");
  EXPECT_EQ(config->policy.rules.back().place.line, 20003);
}

TEST(Defaults, AreWhatTheManualPromises) {
  const Snapshot config = defaults();
  ASSERT_EQ(config->listeners.size(), 1u);
  EXPECT_EQ(config->listeners[0].address.text(), "127.0.0.1:3128");
  ASSERT_TRUE(config->admin);
  EXPECT_EQ(config->admin->text(), "127.0.0.1:3129");
  EXPECT_EQ(config->file, "");
  EXPECT_TRUE(config->warnings.empty());

  const auto judge = [&](std::string_view target, std::string_view address,
                         std::string_view method = "CONNECT") {
    const policy::Asker asker{.client = IpAddress::from_v4(127, 0, 0, 1), .method = method};
    const auto authority = http::parse_authority(target);
    EXPECT_TRUE(authority) << target;
    const auto decision = config->rules->judge_name(asker, *authority);
    if (!decision.allowed) return false;
    const IpAddress addresses[] = {*IpAddress::parse(address)};
    Code why{};
    return !config->rules->judge_addresses(decision, asker, *authority, addresses, {}, &why)
                .empty();
  };
  EXPECT_TRUE(judge("example.com:443", "93.184.216.34"));
  EXPECT_TRUE(judge("example.com:443", "2606:2800:220:1:248:1893:25c8:1946"));
  EXPECT_FALSE(judge("example.com:22", "93.184.216.34"));
  EXPECT_TRUE(judge("example.com:80", "93.184.216.34", "GET"));
  EXPECT_FALSE(judge("example.com:80", "93.184.216.34"));
  EXPECT_FALSE(judge("example.com:443", "93.184.216.34", "GET"));
  EXPECT_FALSE(judge("example.com:80", "10.0.0.1", "GET"));
  for (const char* internal : {"127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1",
                               "::ffff:10.0.0.1", "100.64.0.1", "0.0.0.0"}) {
    EXPECT_FALSE(judge("example.com:443", internal)) << internal;
  }
}

// A file that goes away with the test.
class Scratch {
 public:
  explicit Scratch(std::string_view content) {
    std::string name = testing::TempDir() + "penstock_config_XXXXXX";
    const int fd = mkstemp(name.data());
    EXPECT_GE(fd, 0);
    if (fd >= 0) close(fd);
    path_ = name;
    std::ofstream(path_, std::ios::binary) << content;
  }
  ~Scratch() { std::remove(path_.c_str()); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST(Load, ReadsAFileAndRemembersItsName) {
  // Longer than one read, so that the chunks are joined.
  const Scratch file(std::string(kListener) + "#" + std::string(200'000, 'x') + "\nworkers: 7\n");
  const auto config = load(file.path());
  ASSERT_TRUE(config) << describe(config.error(), file.path());
  EXPECT_EQ((*config)->workers, 7u);
  EXPECT_EQ((*config)->file, file.path());
}

TEST(Load, SaysWhyAFileCannotBeRead) {
  const auto missing = load("/nonexistent/penstock.yaml");
  ASSERT_FALSE(missing);
  EXPECT_EQ(describe(missing.error(), "/nonexistent/penstock.yaml"),
            "/nonexistent/penstock.yaml: cannot be read: No such file or directory\n");
  const auto folder = load("/");
  ASSERT_FALSE(folder);
  EXPECT_EQ(describe(folder.error(), "/"), "/: cannot be read: Is a directory\n");
}

TEST(Load, DoesNotReadADeviceWithoutEnd) {
  const auto endless = load("/dev/zero");
  ASSERT_FALSE(endless);
  EXPECT_EQ(describe(endless.error(), "/dev/zero"), "/dev/zero: larger than 64 MiB\n");
}

}  // namespace
}  // namespace penstock::config
