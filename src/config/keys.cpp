#include "config/keys.h"

#include "config/icap_keys.h"
#include "config/identity_keys.h"
#include "config/inspect_keys.h"
#include "config/listener_type.h"
#include "config/value_types.h"

namespace penstock::config {
namespace {

// Beyond these, a number is a slip and not a wish.
constexpr uint64_t kWorkersMax = 1024;
constexpr uint64_t kHeadFieldsMax = 10'000;
constexpr uint64_t kPopularMax = 1000;
constexpr uint64_t kSparesEachMax = 16;
constexpr uint64_t kKiB = 1024;

// --- policy
// ---------------------------------------------------------------------------------------

constexpr Word<policy::Mode> kModes[] = {{"enforce", policy::Mode::kEnforce},
                                         {"report", policy::Mode::kReport}};
constexpr Word<PolicyReload> kReloads[] = {{"recheck", PolicyReload::kRecheck},
                                           {"keep", PolicyReload::kKeep}};
constexpr Word<policy::TlsCheck> kTlsChecks[] = {{"checked", policy::TlsCheck::kChecked},
                                                 {"required", policy::TlsCheck::kRequired},
                                                 {"ignored", policy::TlsCheck::kIgnored}};
constexpr Word<policy::EchCheck> kEchChecks[] = {{"deny", policy::EchCheck::kDeny},
                                                 {"allow", policy::EchCheck::kAllow}};

constexpr Word<policy::Announce> kAnnounces[] = {{"v1", policy::Announce::kV1},
                                                 {"v2", policy::Announce::kV2}};

using policy::RuleSpec;
using TextList = ListType<LocatedTextType, Emptiness::kRefused>;

constexpr Key<RuleSpec> kRuleKeys[] = {
    key<RuleSpec, NameType, &RuleSpec::name>("name"),
    key<RuleSpec, TextList, &RuleSpec::patterns>("allow"),
    key<RuleSpec, TextList, &RuleSpec::patterns>("deny"),
    key<RuleSpec, TextList, &RuleSpec::clients>("clients"),
    key<RuleSpec, TextList, &RuleSpec::identities>("identities"),
    key<RuleSpec, TextList, &RuleSpec::groups>("groups"),
    key<RuleSpec, TextList, &RuleSpec::methods>("methods"),
    key<RuleSpec, TextList, &RuleSpec::addresses>("addresses"),
    key<RuleSpec, WordType<kTlsChecks>, &RuleSpec::tls>("tls"),
    key<RuleSpec, WordType<kEchChecks>, &RuleSpec::ech>("ech"),
    key<RuleSpec, TextList, &RuleSpec::via>("via"),
    key<RuleSpec, WordType<kAnnounces>, &RuleSpec::announce>("proxy_protocol"),
    key<RuleSpec, InspectType, &RuleSpec::inspect>("inspect"),
};

// A rule: the keys above and what must hold between them.
struct RuleType {
  static void read(const Node& node, const Path& path, Faults& faults, RuleSpec& out) {
    out.place = node.place;
    out.name = "rule " + std::to_string(path.index() + 1);
    MapType<kRuleKeys>::read(node, path, faults, out);
    if (node.kind != Node::Kind::kMap) return;
    out.allow = node.find("allow") != nullptr;
    const bool deny = node.find("deny") != nullptr;
    if (out.allow && deny) {
      blame(node, path, "a rule has either allow or deny; write two rules", faults);
    }
    if (!out.allow && !deny) {
      blame(node, path, "a rule needs allow or deny with destinations, such as allow: [\"*:443\"]",
            faults);
    }
    // What does not begin like TLS would be the way round.
    if (out.inspect && node.find("tls") == nullptr) out.tls = policy::TlsCheck::kRequired;
    // Nobody looks at the first bytes of a tunnel that is refused, or sends any.
    for (const std::string_view idle : {"tls", "ech", "proxy_protocol"}) {
      const Node* value = node.find(idle);
      if (deny && !out.allow && value != nullptr) {
        blame(*value, Path(path, idle), "has no meaning in a rule that denies; remove it", faults);
      }
    }
  }
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    MapType<kRuleKeys>::describe(std::move(facts), out);
  }
};

constexpr auto policy_mode = [](Config& config) -> auto& { return config.policy.mode; };
constexpr auto policy_rules = [](Config& config) -> auto& { return config.policy.rules; };
constexpr auto whole = [](Config& config) -> auto& { return config; };

constexpr Key<Config> kPolicyKeys[] = {
    key<Config, WordType<kModes>, policy_mode>("mode"),
    key<Config, WordType<kReloads>, &Config::policy_reload>("reload"),
    key<Config, ListType<RuleType, Emptiness::kAllowed, Faulty::kKept>, policy_rules>("rules"),
};

// --- parents
// ---------------------------------------------------------------------------------------

constexpr Key<Parents> kParentKeys[] = {
    key<Parents, FileType, &Parents::ca>("ca"),
    key<Parents, FileType, &Parents::certificate>("certificate"),
    key<Parents, FileType, &Parents::key>("key"),
};

struct ParentsType {
  static void read(const Node& node, const Path& path, Faults& faults, Parents& out) {
    MapType<kParentKeys>::read(node, path, faults, out);
    check_pair(node, path, faults);
  }
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    MapType<kParentKeys>::describe(std::move(facts), out);
  }
};

// --- quotas
// ---------------------------------------------------------------------------------------

using admission::Each;
using admission::QuotaLimits;
using admission::QuotaSpec;

constexpr Word<Each> kEach[] = {
    {"client", Each::kClient}, {"identity", Each::kIdentity}, {"quota", Each::kQuota}};

// A key of a quota that is one of its limits.
template <class Type, auto member>
constexpr Key<QuotaSpec> limit_key(std::string_view name) {
  return key<QuotaSpec, Type, [](QuotaSpec& spec) -> auto& { return spec.limits.*member; }>(name);
}

constexpr Key<QuotaSpec> kQuotaKeys[] = {
    key<QuotaSpec, NameType, &QuotaSpec::name>("name"),
    key<QuotaSpec, TextList, &QuotaSpec::clients>("clients"),
    key<QuotaSpec, TextList, &QuotaSpec::identities>("identities"),
    key<QuotaSpec, TextList, &QuotaSpec::groups>("groups"),
    key<QuotaSpec, WordType<kEach>, &QuotaSpec::each>("each"),
    limit_key<CountType<1, kCountMax>, &QuotaLimits::tunnels>("tunnels"),
    limit_key<CountRateType, &QuotaLimits::setups>("setups"),
    limit_key<CountType<1, kCountMax>, &QuotaLimits::burst>("burst"),
    limit_key<SizeRateType, &QuotaLimits::bytes>("bytes"),
    limit_key<BooleanType, &QuotaLimits::bytes_end_tunnels>("bytes_end_tunnels"),
    limit_key<SharedBandwidthType, &QuotaLimits::bandwidth>("bandwidth"),
};

// A quota: the keys above and what must hold between them.
struct QuotaType {
  static void read(const Node& node, const Path& path, Faults& faults, QuotaSpec& out) {
    out.place = node.place;
    out.name = "quota " + std::to_string(path.index() + 1);
    MapType<kQuotaKeys>::read(node, path, faults, out);
    if (node.kind != Node::Kind::kMap) return;
    const auto has = [&](std::string_view name) { return node.find(name) != nullptr; };
    if (!has("tunnels") && !has("setups") && !has("bytes") && !has("bandwidth")) {
      blame(node, path, "a quota needs tunnels, setups, bytes or bandwidth; it limits nothing",
            faults);
    }
    if (has("burst") && !has("setups")) {
      blame(*node.find("burst"), Path(path, "burst"),
            "is of set-ups, and there are no setups; write for example setups: 50/s", faults);
    }
    if (has("bytes_end_tunnels") && !has("bytes")) {
      blame(*node.find("bytes_end_tunnels"), Path(path, "bytes_end_tunnels"),
            "has no meaning without bytes; write for example bytes: 10GiB/h", faults);
    }
    if (out.each == Each::kIdentity && !has("identities") && !has("groups")) {
      blame(*node.find("each"), Path(path, "each"),
            "would count clients without an identity as one; write for example identities: "
            "[\"*\"]",
            faults);
    }
  }
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    MapType<kQuotaKeys>::describe(std::move(facts), out);
  }
};

// --- the other sections
// ---------------------------------------------------------------------------

constexpr Key<Endpoint> kAdminKeys[] = {
    key<Endpoint, EndpointType, whole_endpoint>("address", kRequired),
};

struct AdminType {
  static void read(const Node& node, const Path& path, Faults& faults,
                   std::optional<Endpoint>& out) {
    out.reset();
    if (node.kind == Node::Kind::kText && node.text == "off") return;
    if (node.kind != Node::Kind::kMap) {
      blame_expected(node, path, "off, or a mapping such as {address: 127.0.0.1:3129}", faults);
      return;
    }
    Endpoint endpoint;
    MapType<kAdminKeys>::read(node, path, faults, endpoint);
    out = endpoint;
  }
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    MapType<kAdminKeys>::describe(std::move(facts), out);
  }
};

// A second attempt sooner than 10 ms is forbidden by RFC 8305 section 8.
constexpr Key<Timeouts> kTimeoutKeys[] = {
    key<Timeouts, DurationType<>, &Timeouts::head>("head"),
    key<Timeouts, DurationType<>, &Timeouts::identify>("identify"),
    key<Timeouts, DurationType<>, &Timeouts::queue>("queue"),
    key<Timeouts, DurationType<>, &Timeouts::resolve>("resolve"),
    key<Timeouts, DurationType<>, &Timeouts::dial>("dial"),
    key<Timeouts, DurationType<10, 10 * kSecond>, &Timeouts::attempt>("attempt"),
    key<Timeouts, DurationType<>, &Timeouts::hello>("hello"),
    key<Timeouts, DurationType<>, &Timeouts::response>("response"),
    key<Timeouts, DurationType<>, &Timeouts::keep_alive>("keep_alive"),
    key<Timeouts, DurationType<>, &Timeouts::idle>("idle"),
    key<Timeouts, DurationType<>, &Timeouts::half_closed>("half_closed"),
    key<Timeouts, DurationType<>, &Timeouts::lifetime>("lifetime"),
    key<Timeouts, DurationType<>, &Timeouts::drain>("drain"),
};

using AutoCount = AutoCountType<kCountMax>;

constexpr Word<admission::Adapt> kAdapts[] = {{"gradient", admission::Adapt::kGradient},
                                              {"aimd", admission::Adapt::kAimd},
                                              {"off", admission::Adapt::kOff}};

constexpr Key<Limits> kLimitKeys[] = {
    key<Limits, AutoCount, &Limits::tunnels>("tunnels"),
    key<Limits, CountType<0, kCountMax>, &Limits::tunnels_per_client>("tunnels_per_client"),
    key<Limits, SizeType<kKiB, kKiB * kKiB>, &Limits::head_bytes>("head_bytes"),
    key<Limits, CountType<1, kHeadFieldsMax>, &Limits::head_fields>("head_fields"),
    key<Limits, AutoCount, &Limits::pending>("pending"),
    key<Limits, AutoCount, &Limits::pending_per_destination>("pending_per_destination"),
    key<Limits, WordType<kAdapts>, &Limits::adapt>("adapt"),
    key<Limits, AutoCount, &Limits::queue>("queue"),
    key<Limits, AutoSizeType<32 * kKiB * kKiB>, &Limits::memory>("memory"),
    key<Limits, BandwidthType, &Limits::bandwidth>("tunnel_bandwidth"),
    key<Limits, CountRateType, &Limits::failed_logins>("failed_logins"),
};

constexpr Key<Overload> kOverloadKeys[] = {
    key<Overload, SwitchableDurationType<kSecond, kDay>, &Overload::close_idle>("close_idle"),
};

using admission::BreakerSettings;

constexpr Key<BreakerSettings> kBreakerKeys[] = {
    key<BreakerSettings, CountType<0, 100>, &BreakerSettings::failure_percent>("failure_percent"),
    key<BreakerSettings, CountType<1, kCountMax>, &BreakerSettings::minimum>("minimum"),
    key<BreakerSettings, DurationType<kSecond, kDay>, &BreakerSettings::window>("window"),
    key<BreakerSettings, DurationType<100, kDay>, &BreakerSettings::pause>("pause"),
    key<BreakerSettings, DurationType<100, kDay>, &BreakerSettings::pause_max>("pause_max"),
};

constexpr Key<Dns> kDnsKeys[] = {
    key<Dns, ListType<DnsServerType>, &Dns::servers>("servers"),
    key<Dns, BooleanType, &Dns::search>("search"),
    key<Dns, CountType<1, kCountMax>, &Dns::cache_entries>("cache_entries"),
    key<Dns, DurationType<>, &Dns::min_ttl>("min_ttl"),
    key<Dns, DurationType<>, &Dns::max_ttl>("max_ttl"),
    key<Dns, DurationType<>, &Dns::negative_ttl>("negative_ttl"),
    key<Dns, DurationType<>, &Dns::stale>("stale"),
};

constexpr Word<Family> kFamilies[] = {
    {"any", Family::kAny}, {"v4", Family::kV4}, {"v6", Family::kV6}};

constexpr Key<Spares> kSpareKeys[] = {
    key<Spares, ListType<AuthorityType>, &Spares::destinations>("destinations"),
    key<Spares, CountType<0, kPopularMax>, &Spares::popular>("popular"),
    key<Spares, CountType<1, kSparesEachMax>, &Spares::each>("each"),
    key<Spares, DurationType<100, 60 * kSecond>, &Spares::age>("age"),
};

// Both end up in the kernel as an int: seconds up to 32767 and milliseconds.
constexpr Key<Dial> kDialKeys[] = {
    key<Dial, ListType<AddressType>, &Dial::source_addresses>("source_addresses"),
    key<Dial, WordType<kFamilies>, &Dial::family>("family"),
    key<Dial, SwitchableDurationType<kSecond, 9 * 3600 * kSecond>, &Dial::keepalive>("keepalive"),
    key<Dial, SwitchableDurationType<kSecond, kDay>, &Dial::unacknowledged>("unacknowledged"),
    key<Dial, MapType<kSpareKeys>, &Dial::spares>("spares"),
};

constexpr Word<LogLevel> kLevels[] = {{"debug", LogLevel::kDebug},
                                      {"info", LogLevel::kInfo},
                                      {"warning", LogLevel::kWarning},
                                      {"error", LogLevel::kError}};

constexpr Key<Log> kLogKeys[] = {
    key<Log, LogTargetType, &Log::access>("access"),
    key<Log, WordType<kLevels>, &Log::level>("level"),
    key<Log, SwitchableDurationType<kSecond, kDay>, &Log::progress>("progress"),
    key<Log, BooleanType, &Log::path>("path"),
    key<Log, BooleanType, &Log::ja4>("ja4"),
};

constexpr Word<KernelObservation> kKernelObservations[] = {{"off", KernelObservation::kOff},
                                                           {"auto", KernelObservation::kAuto}};

constexpr Key<Observe> kObserveKeys[] = {
    key<Observe, WordType<kKernelObservations>, &Observe::kernel>("kernel"),
};

constexpr Key<Config> kKeys[] = {
    key<Config, ListType<ListenerType, Emptiness::kRefused>, &Config::listeners>("listeners",
                                                                                 kRequired),
    key<Config, AdminType, &Config::admin>("admin"),
    key<Config, CountType<0, kWorkersMax>, &Config::workers>("workers"),
    key<Config, MapType<kPolicyKeys>, whole>("policy"),
    key<Config, ParentsType, &Config::parents>("parents"),
    key<Config, InspectionType, &Config::inspection>("inspection"),
    key<Config, IcapType, &Config::icap>("icap"),
    key<Config, ListType<QuotaType, Emptiness::kAllowed, Faulty::kKept>, &Config::quota_specs>(
        "quotas"),
    key<Config, ListType<ProviderType, Emptiness::kAllowed, Faulty::kKept>,
        &Config::identity_specs>("identity"),
    key<Config, MapType<kTimeoutKeys>, &Config::timeouts>("timeouts"),
    key<Config, MapType<kLimitKeys>, &Config::limits>("limits"),
    key<Config, MapType<kOverloadKeys>, &Config::overload>("overload"),
    key<Config, MapType<kBreakerKeys>, &Config::breaker>("breaker"),
    key<Config, MapType<kDnsKeys>, &Config::dns>("dns"),
    key<Config, MapType<kDialKeys>, &Config::dial>("dial"),
    key<Config, MapType<kLogKeys>, &Config::log>("log"),
    key<Config, MapType<kObserveKeys>, &Config::observe>("observe"),
    key<Config, BooleanType, &Config::server_timing>("server_timing"),
};

}  // namespace

void decode(const Node& root, Config& config, Faults& faults) {
  MapType<kKeys>::read(root, Path(), faults, config);
}

std::vector<KeyFacts> all_keys() {
  std::vector<KeyFacts> out;
  MapType<kKeys>::describe({}, out);
  return out;
}

}  // namespace penstock::config
