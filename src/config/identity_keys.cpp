#include "config/identity_keys.h"

#include <algorithm>

namespace penstock::config {
namespace {

using identity::CertificateField;
using identity::Provider;
using identity::ProviderSpec;

constexpr Word<CertificateField> kFields[] = {{"subject", CertificateField::kSubject},
                                              {"dns", CertificateField::kDns},
                                              {"email", CertificateField::kEmail},
                                              {"uri", CertificateField::kUri},
                                              {"spiffe", CertificateField::kSpiffe}};

using identity::Asked;
using identity::Told;

constexpr Word<Asked> kAskedWords[] = {
    {"basic", Asked::kBasic}, {"bearer", Asked::kBearer}, {"none", Asked::kNone}};
constexpr Word<Told> kToldWords[] = {{"client", Told::kClient},
                                     {"listener", Told::kListener},
                                     {"method", Told::kMethod},
                                     {"authority", Told::kAuthority}};

using TextList = ListType<LocatedTextType, Emptiness::kRefused>;
using NameList = ListType<NameType, Emptiness::kRefused>;

constexpr Key<ProviderSpec> kProviderKeys[] = {
    key<ProviderSpec, TextList, &ProviderSpec::clients>("clients"),
    key<ProviderSpec, NameType, &ProviderSpec::identity>("identity"),
    key<ProviderSpec, WordType<kFields>, &ProviderSpec::certificate>("certificate"),
    key<ProviderSpec, FileType, &ProviderSpec::basic>("basic"),
    key<ProviderSpec, FileType, &ProviderSpec::groups_file>("groups_file"),
    key<ProviderSpec, FileOrUrlType, &ProviderSpec::jwt>("jwt"),
    key<ProviderSpec, FileType, &ProviderSpec::negotiate>("negotiate"),
    key<ProviderSpec, ServiceType, &ProviderSpec::service>("service"),
    key<ProviderSpec, NameType, &ProviderSpec::strip_realm>("strip_realm"),
    key<ProviderSpec, UrlType, &ProviderSpec::authorizer>("authorizer"),
    key<ProviderSpec, ListType<WordType<kAskedWords>, Emptiness::kRefused>,
        &ProviderSpec::credentials>("credentials"),
    key<ProviderSpec, ListType<WordType<kToldWords>, Emptiness::kRefused>, &ProviderSpec::tells>(
        "tells"),
    key<ProviderSpec, FieldNameType, &ProviderSpec::identity_field>("identity_field"),
    key<ProviderSpec, FieldNameType, &ProviderSpec::groups_field>("groups_field"),
    key<ProviderSpec, FileType, &ProviderSpec::ca>("ca"),
    key<ProviderSpec, DurationType<100, 30 * kSecond>, &ProviderSpec::timeout>("timeout"),
    key<ProviderSpec, DurationType<60 * kSecond, kDay>, &ProviderSpec::refresh>("refresh"),
    key<ProviderSpec, NameType, &ProviderSpec::issuer>("issuer"),
    key<ProviderSpec, NameList, &ProviderSpec::audience>("audience"),
    key<ProviderSpec, NameType, &ProviderSpec::identity_claim>("identity_claim"),
    key<ProviderSpec, NameType, &ProviderSpec::groups_claim>("groups_claim"),
    key<ProviderSpec, DurationType<0, 300 * kSecond>, &ProviderSpec::leeway>("leeway"),
    key<ProviderSpec, RealmType, &ProviderSpec::realm>("realm"),
    key<ProviderSpec, SwitchableDurationType<kSecond, kDay>, &ProviderSpec::cache>("cache"),
    key<ProviderSpec, NameList, &ProviderSpec::groups>("groups"),
};

// The key that says what kind of provider it is, with the keys that may stand beside it.
struct Kind {
  Provider provider;
  std::string_view name;
  std::vector<std::string_view> needs;
  std::vector<std::string_view> may;
};
const std::vector<Kind>& kinds() {
  static const std::vector<Kind> kKinds = {
      {Provider::kClients, "clients", {"identity"}, {"groups"}},
      {Provider::kCertificate, "certificate", {}, {"groups"}},
      {Provider::kBasic, "basic", {}, {"groups_file", "realm", "cache", "groups"}},
      {Provider::kJwt,
       "jwt",
       {"issuer", "audience"},
       {"identity_claim", "groups_claim", "leeway", "realm", "cache", "groups", "ca", "timeout",
        "refresh"}},
      {Provider::kNegotiate, "negotiate", {}, {"service", "strip_realm", "groups_file", "groups"}},
      {Provider::kAuthorizer,
       "authorizer",
       {},
       {"credentials", "tells", "identity_field", "groups_field", "ca", "timeout", "realm", "cache",
        "groups"}},
  };
  return kKinds;
}

constexpr std::string_view kKindWords =
    "clients, certificate, basic, jwt, negotiate and authorizer";

// The one kind whose key is there; null, and a fault, if there is none or there are several.
const Kind* kind_of(const Node& node, const Path& path, Faults& faults) {
  const Kind* out = nullptr;
  for (const Kind& kind : kinds()) {
    if (node.find(kind.name) == nullptr) continue;
    if (out != nullptr) {
      blame(node, path, "a provider has one of " + std::string(kKindWords) + "; write two of them",
            faults);
      return nullptr;
    }
    out = &kind;
  }
  if (out == nullptr) {
    blame(node, path,
          "a provider needs one of " + std::string(kKindWords) +
              ", such as basic: /etc/penstock/users",
          faults);
  }
  return out;
}

// What says how a URL is asked stands beside none.
void check_url_keys(const Node& node, const Path& path, const ProviderSpec& spec, Faults& faults) {
  if (spec.kind != Provider::kJwt || spec.jwt.value.empty() || identity::is_url(spec.jwt.value))
    return;
  for (const std::string_view name : {"ca", "timeout", "refresh"}) {
    const Node* const value = node.find(name);
    if (value == nullptr) continue;
    blame(*value, Path(path, name),
          "has no meaning where keys come from a file; remove it, or write a URL for jwt", faults);
  }
}

// An answer that was found for one client must not be another's.
void check_authorizer(const Node& node, const Path& path, const ProviderSpec& spec,
                      Faults& faults) {
  if (spec.kind != Provider::kAuthorizer) return;
  const bool nameless = std::ranges::find(spec.credentials, Asked::kNone) != spec.credentials.end();
  const bool told = std::ranges::find(spec.tells, Told::kClient) != spec.tells.end();
  if (nameless && !told) {
    blame(*node.find("credentials"), Path(path, "credentials"),
          "none needs client among tells: nothing else says who sends no credentials", faults);
  }
  if (spec.groups_field.empty() || !spec.identity_field.empty()) return;
  if (const Node* const value = node.find("groups_field")) {
    blame(*value, Path(path, "groups_field"), "needs identity_field beside it", faults);
  }
}

}  // namespace

void ProviderType::read(const Node& node, const Path& path, Faults& faults, ProviderSpec& out) {
  out.place = node.place;
  MapType<kProviderKeys>::read(node, path, faults, out);
  if (node.kind != Node::Kind::kMap) return;
  const Kind* const kind = kind_of(node, path, faults);
  if (kind == nullptr) return;
  out.kind = kind->provider;
  check_url_keys(node, path, out, faults);
  check_authorizer(node, path, out, faults);
  for (const std::string_view name : kind->needs) {
    if (node.find(name) != nullptr) continue;
    blame(node, path, std::string(kind->name) + " needs " + std::string(name) + " beside it",
          faults);
  }
  for (const auto& known : kProviderKeys) {
    const Node* const value = node.find(known.name);
    const auto among = [&](const std::vector<std::string_view>& list) {
      return std::ranges::find(list, known.name) != list.end();
    };
    if (value == nullptr || known.name == kind->name || among(kind->needs) || among(kind->may)) {
      continue;
    }
    blame(*value, Path(path, known.name),
          "has no meaning beside " + std::string(kind->name) + "; remove it", faults);
  }
}

void ProviderType::describe(KeyFacts facts, std::vector<KeyFacts>& out) {
  MapType<kProviderKeys>::describe(std::move(facts), out);
}

}  // namespace penstock::config
