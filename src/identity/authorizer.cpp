// An external authorizer: an HTTP endpoint that is asked who somebody is, as nginx's auth_request
// and its like ask one. The one place where a client's credentials leave this proxy.
#include <algorithm>

#include "base/ascii.h"
#include "base/base64.h"
#include "identity/authorizer_answer.h"
#include "identity/checker.h"

namespace penstock::identity {
namespace {

bool among(const auto& list, auto one) {
  return std::ranges::find(list, one) != list.end();
}

Asked asked_of(std::optional<http::AuthScheme> scheme) {
  if (!scheme) return Asked::kNone;
  return *scheme == http::AuthScheme::kBasic ? Asked::kBasic : Asked::kBearer;
}

// Everything that its answers depend on beside what it is told.
std::string settings_of(const ProviderSpec& spec) {
  std::string out;
  const auto add = [&](std::string_view text) {
    out += std::to_string(text.size()) + ':' + std::string(text);
  };
  for (const auto* text :
       {&spec.authorizer.value, &spec.ca.value, &spec.identity_field, &spec.groups_field}) {
    add(*text);
  }
  for (const Told what : spec.tells) add(std::to_string(static_cast<int>(what)));
  for (const std::string& group : spec.groups) add(group);
  return out;
}

class Authorizer final : public RemoteChecker {
 public:
  explicit Authorizer(const ProviderSpec& spec)
      : spec_(spec),
        settings_(settings_of(spec)),
        identity_field_(lower(spec.identity_field)),
        groups_field_(lower(spec.groups_field)) {}

  Provider provider() const override { return Provider::kAuthorizer; }

  bool takes(std::optional<http::AuthScheme> scheme) const override {
    if (scheme && *scheme != http::AuthScheme::kBasic && *scheme != http::AuthScheme::kBearer) {
      return false;
    }
    return among(spec_.credentials, asked_of(scheme));
  }

  // All that it was told: its answer is for that and nothing else.
  std::string basis(const Claim& claim) const override {
    std::string out = settings_;
    for (const std::string& line : told(claim)) out += '\n' + line;
    return out;
  }

  std::string challenge(http::AuthScheme scheme, std::optional<Code> refused) const override {
    return challenge_of(scheme, spec_.realm, refused);
  }

  fetch::Request request(const Claim& claim) const override {
    fetch::Request out{.url = spec_.authorizer.value,
                       .ca = spec_.ca.value,
                       .wanted = {"cache-control", "age"},
                       .bytes_max = kAnswerBytesMax,
                       .timeout = spec_.timeout};
    if (!identity_field_.empty()) out.wanted.push_back(identity_field_);
    if (!groups_field_.empty()) out.wanted.push_back(groups_field_);
    out.fields.emplace_back("Accept: application/json");
    for (const std::string& line : told(claim)) out.fields.emplace_back(line);
    if (claim.scheme) out.fields.push_back(credentials(claim));
    return out;
  }

  Checked judge(const Claim& claim, const fetch::Outcome& outcome) const override {
    if (!outcome) return failed(outcome.error());
    switch (outcome->status) {
      case 200: return accepted(*outcome);
      case 401:
      case 407:
        if (!claim.scheme) return {.who = std::unexpected(Code::kCredentialsMissing)};
        return {.who = std::unexpected(Code::kCredentialsRejected),
                .why = "the authorizer does not take these credentials"};
      case 403:
        return {.who = std::unexpected(Code::kAuthorizerDenied), .why = "the authorizer says no"};
      default: break;
    }
    const bool redirect = outcome->status >= 300 && outcome->status < 400;
    return failed("it answers " + std::to_string(outcome->status) +
                  (redirect ? ", a redirect, which is not followed" : ""));
  }

 private:
  static Checked failed(const std::string& why) {
    return {.who = std::unexpected(Code::kAuthorizerFailed),
            .why = "the authorizer failed: " + why};
  }

  Checked accepted(const fetch::Reply& reply) const {
    auto who = identity_field_.empty() ? read_answer(reply.body)
                                       : read_answer_fields(reply, identity_field_, groups_field_);
    if (!who) return failed(std::string(who.error()));
    who->groups.insert(who->groups.end(), spec_.groups.begin(), spec_.groups.end());
    if (!is_sound(*who)) return failed("it names too many groups");
    const Duration fresh = fetch::freshness(reply).value_or(std::chrono::hours(24));
    return {std::make_shared<const Identity>(std::move(*who)), std::min(spec_.cache, fresh)};
  }

  std::vector<std::string> told(const Claim& claim) const {
    std::vector<std::string> out;
    const auto add = [&](Told what, std::string_view name, std::string_view value) {
      if (among(spec_.tells, what)) out.push_back(std::string(name) + ": " + std::string(value));
    };
    add(Told::kClient, "X-Forwarded-For", claim.client.text());
    add(Told::kMethod, "X-Forwarded-Method", claim.method);
    add(Told::kAuthority, "X-Forwarded-Host", claim.authority);
    add(Told::kListener, "Penstock-Listener", claim.listener);
    return out;
  }

  // In the field that endpoints look at which know of no proxy.
  static Secret credentials(const Claim& claim) {
    std::string line = "Authorization: ";
    if (*claim.scheme == http::AuthScheme::kBasic) {
      std::string encoded = encode_base64(claim.secret);
      line.reserve(line.size() + 6 + encoded.size());
      line.append("Basic ").append(encoded);
      wipe(encoded);
    } else {
      line.reserve(line.size() + 7 + claim.secret.size());
      line.append("Bearer ").append(claim.secret);
    }
    Secret out(line);
    wipe(line);
    return out;
  }

  const ProviderSpec spec_;
  const std::string settings_;
  const std::string identity_field_;
  const std::string groups_field_;
};

}  // namespace

CheckerPtr open_authorizer(const ProviderSpec& spec) {
  return std::make_shared<const Authorizer>(spec);
}

}  // namespace penstock::identity
