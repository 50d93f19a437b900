// Bearer (RFC 6750): a JSON Web Token that is checked against keys, of a file or fetched from a
// URL.
#include <algorithm>

#include "identity/checker.h"
#include "identity/held.h"
#include "identity/jwt.h"
#include "identity/key_source.h"
#include "identity/read_file.h"

namespace penstock::identity {
namespace {

std::expected<KeysPtr, std::string> read(const std::string& path) {
  auto text = read_file(path, kKeySetBytesMax);
  if (!text) return std::unexpected(path + ": " + text.error());
  auto keys = read_keys(*text);
  if (!keys) return std::unexpected(path + ": " + keys.error());
  return keys;
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

class Bearer : public Checker {
 public:
  explicit Bearer(const ProviderSpec& spec)
      : spec_(spec),
        rules_{spec.issuer, spec.audience, spec.identity_claim, spec.groups_claim, spec.leeway},
        settings_(settings_of(spec)) {}

  Provider provider() const override { return Provider::kJwt; }
  bool takes(std::optional<http::AuthScheme> scheme) const override {
    return scheme == http::AuthScheme::kBearer;
  }

  std::string basis(const Claim&) const override {
    const KeysPtr held = keys();
    if (!held) return settings_;
    return settings_ + std::string(held->digest.begin(), held->digest.end());
  }

  Checked check(const Claim& claim, int64_t now) const override {
    const KeysPtr held = keys();
    if (!held) {
      return {.who = std::unexpected(Code::kKeysMissing),
              .why = "the keys of its issuer could not be fetched yet",
              .later = awaits_more()};
    }
    auto holder = check_token(claim.secret, held->set, rules_, now);
    if (!holder) {
      if (holder.error() == JwtFault::kUnknownKey && awaits_more()) {
        return {.who = std::unexpected(Code::kKeysMissing), .later = true};
      }
      const bool expired = holder.error() == JwtFault::kExpired;
      return {std::unexpected(expired ? Code::kTokenExpired : Code::kCredentialsRejected),
              {},
              std::string(sentence(holder.error()))};
    }
    Identity& who = holder->identity;
    who.groups.insert(who.groups.end(), spec_.groups.begin(), spec_.groups.end());
    if (!is_sound(who)) {
      return {std::unexpected(Code::kCredentialsRejected),
              {},
              std::string(sentence(JwtFault::kIdentity))};
    }
    const Duration left = std::chrono::seconds(holder->expires - now);
    return {std::make_shared<const Identity>(std::move(who)), std::min(spec_.cache, left), {}};
  }

  std::string challenge(http::AuthScheme scheme, std::optional<Code> refused) const override {
    return challenge_of(scheme, spec_.realm, refused);
  }

 protected:
  virtual KeysPtr keys() const = 0;  // null: none have been read yet
  // A token names a key that is not there: it will be soon, or will not.
  virtual bool awaits_more() const = 0;

  const ProviderSpec spec_;

 private:
  const JwtRules rules_;
  const std::string settings_;
};

class BearerByFile final : public Bearer {
 public:
  BearerByFile(const ProviderSpec& spec, WatchedFiles watched, KeysPtr keys)
      : Bearer(spec), watched_(std::move(watched)), keys_(std::move(keys)) {}

  std::optional<News> refresh() const override {
    if (!watched_.have_changed()) return std::nullopt;
    auto keys = read(spec_.jwt.value);
    if (!keys) return News{false, keys.error() + "; the keys in force stay as they were"};
    const size_t count = (*keys)->set.size();
    keys_.set(std::move(*keys));
    return News{true, spec_.jwt.value + " was read again: " + std::to_string(count) + " keys"};
  }

 protected:
  KeysPtr keys() const override { return keys_.get(); }
  bool awaits_more() const override { return false; }

 private:
  mutable WatchedFiles watched_;  // of the thread that refreshes
  mutable Held<Keys> keys_;
};

class BearerByUrl final : public Bearer {
 public:
  BearerByUrl(const ProviderSpec& spec, KeySourcePtr source)
      : Bearer(spec), source_(std::move(source)) {}

  std::optional<News> refresh() const override { return source_->news(); }

 protected:
  KeysPtr keys() const override { return source_->keys(); }
  bool awaits_more() const override { return source_->awaits_more(Clock::now()); }

 private:
  const KeySourcePtr source_;
};

}  // namespace

std::expected<CheckerPtr, Faults> open_jwt(const ProviderSpec& spec) {
  WatchedFiles watched({spec.jwt.value});
  auto keys = read(spec.jwt.value);
  if (!keys) return std::unexpected(Faults{{spec.jwt.place, keys.error()}});
  return std::make_shared<const BearerByFile>(spec, std::move(watched), std::move(*keys));
}

std::expected<CheckerPtr, Faults> open_jwt(const ProviderSpec& spec, KeySourcePtr source) {
  return std::make_shared<const BearerByUrl>(spec, std::move(source));
}

}  // namespace penstock::identity
