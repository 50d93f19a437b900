// Basic (RFC 7617) against a file of users, with groups from a second one.
#include <algorithm>

#include "identity/checker.h"
#include "identity/groups_file.h"
#include "identity/held.h"
#include "identity/htpasswd.h"
#include "identity/read_file.h"

namespace penstock::identity {
namespace {

struct Files {
  Passwords passwords;
  GroupsFile groups;
};

std::expected<Files, Faults> read(const ProviderSpec& spec) {
  Faults faults;
  Files out;
  auto passwords = Passwords::parse(text_of(spec.basic, kUsersBytesMax, faults));
  if (!passwords) tell(passwords.error(), spec.basic, faults);
  out.groups = read_groups(spec.groups_file, faults);
  if (!faults.empty()) return std::unexpected(std::move(faults));
  out.passwords = std::move(*passwords);
  return out;
}

struct UserAndPassword {
  std::string_view user;
  std::string_view password;
};

UserAndPassword split(std::string_view secret) {
  const size_t colon = std::min(secret.find(':'), secret.size());
  return {secret.substr(0, colon), secret.substr(std::min(colon + 1, secret.size()))};
}

class Basic final : public Checker {
 public:
  Basic(ProviderSpec spec, WatchedFiles watched, Files files)
      : spec_(std::move(spec)),
        watched_(std::move(watched)),
        files_(std::make_shared<const Files>(std::move(files))) {}

  Provider provider() const override { return Provider::kBasic; }
  bool takes(std::optional<http::AuthScheme> scheme) const override {
    return scheme == http::AuthScheme::kBasic;
  }

  std::string basis(const Claim& claim) const override {
    const auto files = files_.get();
    const std::string user(split(claim.secret).user);
    std::string out(files->passwords.hash_of(user));
    for (const std::string& group : groups_of(*files, user)) out += '\n' + group;
    return out;
  }

  Checked check(const Claim& claim, int64_t) const override {
    const auto files = files_.get();
    const auto [user, password] = split(claim.secret);
    if (!files->passwords.check(user, password)) {
      return {std::unexpected(Code::kCredentialsRejected), {}, "wrong user or password"};
    }
    Identity who{std::string(user), {}};
    who.groups = groups_of(*files, who.name);
    if (!is_sound(who)) {
      return {std::unexpected(Code::kCredentialsRejected), {}, "user in too many groups"};
    }
    return {std::make_shared<const Identity>(std::move(who)), spec_.cache, {}};
  }

  std::string challenge(http::AuthScheme scheme, std::optional<Code> refused) const override {
    return challenge_of(scheme, spec_.realm, refused);
  }

  std::optional<News> refresh() const override {
    if (!watched_.have_changed()) return std::nullopt;
    auto files = read(spec_);
    if (!files) {
      return News{false, files.error().front().message + "; the users in force stay as they were"};
    }
    const size_t count = files->passwords.size();
    files_.set(std::make_shared<const Files>(std::move(*files)));
    return News{true, spec_.basic.value + " was read again: " + std::to_string(count) + " users"};
  }

 private:
  std::vector<std::string> groups_of(const Files& files, const std::string& user) const {
    std::vector<std::string> out = spec_.groups;
    const auto& more = files.groups.groups_of(user);
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }

  const ProviderSpec spec_;
  mutable WatchedFiles watched_;  // of the thread that refreshes
  mutable Held<Files> files_;
};

}  // namespace

std::expected<CheckerPtr, Faults> open_basic(const ProviderSpec& spec) {
  WatchedFiles watched({spec.basic.value, spec.groups_file.value});
  auto files = read(spec);
  if (!files) return std::unexpected(std::move(files.error()));
  return std::make_shared<const Basic>(spec, std::move(watched), std::move(*files));
}

}  // namespace penstock::identity
