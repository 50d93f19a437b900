// Bearer (RFC 6750): a JSON Web Token that is checked against a file of keys.
#include <algorithm>

#include "identity/checker.h"
#include "identity/held.h"
#include "identity/jwt.h"
#include "identity/keyed_hash.h"
#include "identity/read_file.h"

namespace penstock::identity {
namespace {

struct Keys {
  Digest digest;  // of what they were read from: part of every answer's basis
  KeySet set;
};

std::expected<Keys, std::string> read(const std::string& path) {
  auto text = read_file(path, kKeySetBytesMax);
  if (!text) return std::unexpected(path + ": " + text.error());
  auto set = KeySet::parse(*text);
  if (!set) return std::unexpected(path + ": " + set.error());
  return Keys{sha256(*text), std::move(*set)};
}

// Everything but the keys, in one text. Lengths are in front, so that no two settings read alike.
std::string settings_of(const ProviderSpec& spec) {
  std::string out;
  const auto add = [&](std::string_view text) {
    out += std::to_string(text.size()) + ':' + std::string(text);
  };
  add(spec.issuer);
  for (const std::string& one : spec.audience) add(one);
  add(spec.identity_claim);
  add(spec.groups_claim);
  add(std::to_string(spec.leeway.count()));
  for (const std::string& one : spec.groups) add(one);
  return out;
}

class Bearer final : public Checker {
 public:
  Bearer(const ProviderSpec& spec, FileState state, Keys keys)
      : spec_(spec),
        rules_{spec.issuer, spec.audience, spec.identity_claim, spec.groups_claim, spec.leeway},
        settings_(settings_of(spec)),
        state_(state),
        keys_(std::make_shared<const Keys>(std::move(keys))) {}

  Provider provider() const override { return Provider::kJwt; }
  http::AuthScheme scheme() const override { return http::AuthScheme::kBearer; }

  std::string basis(std::string_view) const override {
    const auto keys = keys_.get();
    return settings_ + std::string(keys->digest.begin(), keys->digest.end());
  }

  Checked check(std::string_view token, int64_t now) const override {
    const auto keys = keys_.get();
    auto holder = check_token(token, keys->set, rules_, now);
    if (!holder) {
      const bool expired = holder.error() == JwtFault::kExpired;
      return {std::unexpected(expired ? Code::kTokenExpired : Code::kCredentialsRejected),
              {},
              sentence(holder.error())};
    }
    Identity& who = holder->identity;
    who.groups.insert(who.groups.end(), spec_.groups.begin(), spec_.groups.end());
    if (!is_sound(who)) {
      return {std::unexpected(Code::kCredentialsRejected), {}, sentence(JwtFault::kIdentity)};
    }
    const Duration left = std::chrono::seconds(holder->expires - now);
    return {std::make_shared<const Identity>(std::move(who)), std::min(spec_.cache, left), {}};
  }

  // RFC 6750 section 3.1.
  std::string challenge(std::optional<Code> refused) const override {
    const std::string out = "Bearer realm=\"" + spec_.realm + "\"";
    return refused ? out + ", error=\"invalid_token\"" : out;
  }

  std::optional<News> refresh() const override {
    const FileState state = state_of(spec_.jwt.value);
    if (state == state_) return std::nullopt;
    state_ = state;
    auto keys = read(spec_.jwt.value);
    if (!keys) return News{false, keys.error() + "; the keys in force stay as they were"};
    const size_t count = keys->set.size();
    keys_.set(std::make_shared<const Keys>(std::move(*keys)));
    return News{true, spec_.jwt.value + " was read again: " + std::to_string(count) + " keys"};
  }

 private:
  const ProviderSpec spec_;
  const JwtRules rules_;
  const std::string settings_;
  mutable FileState state_;  // of the thread that refreshes
  mutable Held<Keys> keys_;
};

}  // namespace

std::expected<CheckerPtr, Faults> open_jwt(const ProviderSpec& spec) {
  const FileState state = state_of(spec.jwt.value);
  auto keys = read(spec.jwt.value);
  if (!keys) return std::unexpected(Faults{{spec.jwt.place, keys.error()}});
  return std::make_shared<const Bearer>(spec, state, std::move(*keys));
}

}  // namespace penstock::identity
