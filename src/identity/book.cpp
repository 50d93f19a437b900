#include "identity/book.h"

#include <algorithm>
#include <utility>

#include "identity/read_file.h"
#include "policy/address_class.h"
#include "policy/askers.h"

namespace penstock::identity {
namespace {

constexpr http::AuthScheme kSchemes[] = {http::AuthScheme::kNegotiate, http::AuthScheme::kBasic,
                                         http::AuthScheme::kBearer};

}  // namespace

// One for each URL, however many name it, and the one that was there before: a reload while the
// issuer cannot be reached loses no key.
KeySourcePtr Book::key_source_of(const ProviderSpec& spec, const Book* before) {
  const KeySource::Spec wanted{spec.jwt.value, spec.ca.value, spec.refresh, spec.timeout};
  const auto among = [&](const std::vector<KeySourcePtr>& known) {
    const auto is_it = [&](const KeySourcePtr& source) { return source->spec() == wanted; };
    const auto found = std::ranges::find_if(known, is_it);
    return found == known.end() ? nullptr : *found;
  };
  if (auto mine = among(key_sources_)) return mine;
  KeySourcePtr out = before != nullptr ? among(before->key_sources_) : nullptr;
  if (!out) out = std::make_shared<KeySource>(wanted);
  return key_sources_.emplace_back(std::move(out));
}

std::expected<CheckerPtr, Faults> Book::checker_of(const ProviderSpec& spec, const Book* before) {
  if (spec.kind == Provider::kBasic) return open_basic(spec);
  if (spec.kind == Provider::kNegotiate) return open_negotiate(spec);
  if (spec.kind == Provider::kJwt && !is_url(spec.jwt.value)) return open_jwt(spec);
  if (auto fault = fault_of_roots(spec.ca.value)) {
    return std::unexpected(Faults{{spec.ca.place, std::move(*fault)}});
  }
  if (spec.kind == Provider::kAuthorizer) return open_authorizer(spec);
  return open_jwt(spec, key_source_of(spec, before));
}

std::expected<Book::Entry, Faults> Book::entry_of(const ProviderSpec& spec, const Book* before) {
  Entry out;
  out.provider = spec.kind;
  Faults faults;
  switch (spec.kind) {
    case Provider::kClients: {
      out.clients = policy::PrefixSet(policy::parse_clients(spec.clients, faults));
      out.who = std::make_shared<const Identity>(Identity{spec.identity, spec.groups});
      break;
    }
    case Provider::kCertificate:
      out.field = spec.certificate;
      out.groups = spec.groups;
      break;
    case Provider::kBasic:
    case Provider::kJwt:
    case Provider::kNegotiate:
    case Provider::kAuthorizer: {
      auto checker = checker_of(spec, before);
      if (checker) out.checker = std::move(*checker);
      if (!checker) faults = std::move(checker.error());
      break;
    }
  }
  if (!faults.empty()) return std::unexpected(std::move(faults));
  return out;
}

std::expected<std::shared_ptr<const Book>, Faults> Book::open(
    const std::vector<ProviderSpec>& specs, const Book* before) {
  auto out = std::make_shared<Book>();
  Faults faults;
  for (const ProviderSpec& spec : specs) {
    auto entry = out->entry_of(spec, before);
    if (!entry) {
      faults.insert(faults.end(), entry.error().begin(), entry.error().end());
      continue;
    }
    if (const auto& checker = entry->checker) {
      out->has_checkers_ = true;
      out->has_remote_checkers_ = out->has_remote_checkers_ || checker->remote() != nullptr;
      out->takes_credentials_ =
          out->takes_credentials_ ||
          std::ranges::any_of(kSchemes, [&](auto scheme) { return checker->takes(scheme); });
    }
    out->entries_.push_back(std::move(*entry));
  }
  if (!faults.empty()) return std::unexpected(std::move(faults));
  return out;
}

Opinion Book::opinion(const Presented& presented) const {
  const IpAddress client = policy::mapped_v4(presented.client).value_or(presented.client);
  Opinion out;
  for (const Entry& entry : entries_) {
    // Once there are credentials to be checked, nobody else is asked.
    if (!out.checkers.empty() && !entry.checker) continue;
    if (entry.checker) {
      if (entry.checker->takes(presented.scheme)) out.checkers.push_back(entry.checker);
      continue;
    }
    if (entry.provider == Provider::kClients && entry.clients.contains(client)) {
      out.who = entry.who;
    } else if (entry.provider == Provider::kCertificate && presented.certificate != nullptr) {
      if (auto name = identity_in(*presented.certificate, entry.field)) {
        out.who = std::make_shared<const Identity>(Identity{std::move(*name), entry.groups});
      }
    }
    if (!out.who) continue;
    out.by = entry.provider;
    return out;
  }
  if (out.checkers.empty() && takes_credentials_) {
    out.refused = presented.scheme ? Code::kSchemeUnsupported : Code::kCredentialsMissing;
  }
  return out;
}

std::string Book::challenges(std::optional<http::AuthScheme> sent, Code why) const {
  std::string out;
  std::vector<http::AuthScheme> said;
  for (const Entry& entry : entries_) {
    for (const http::AuthScheme scheme : kSchemes) {
      if (!entry.checker || !entry.checker->takes(scheme)) continue;
      if (std::ranges::find(said, scheme) != said.end()) continue;
      said.push_back(scheme);
      const auto refused = sent == scheme ? std::optional(why) : std::nullopt;
      out += "Proxy-Authenticate: " + entry.checker->challenge(scheme, refused) + "\r\n";
    }
  }
  return out;
}

bool Book::takes(http::AuthScheme scheme) const {
  return std::ranges::any_of(entries_, [scheme](const Entry& entry) {
    return entry.checker && entry.checker->takes(scheme);
  });
}

std::vector<Checker::News> Book::refresh() const {
  std::vector<Checker::News> out;
  for (const Entry& entry : entries_) {
    if (!entry.checker) continue;
    if (auto news = entry.checker->refresh()) out.push_back(std::move(*news));
  }
  return out;
}

std::vector<KeySource::Facts> Book::key_facts(Instant now) const {
  std::vector<KeySource::Facts> out;
  for (const KeySourcePtr& source : key_sources_) {
    const auto is_it = [&](const auto& facts) { return facts.url == source->spec().url; };
    if (std::ranges::none_of(out, is_it)) out.push_back(source->facts(now));
  }
  return out;
}

}  // namespace penstock::identity
