// Negotiate (RFC 4559): a Kerberos ticket that is checked by a keytab, with groups from a file.
#include "base/base64.h"
#include "identity/checker.h"
#include "identity/groups_file.h"
#include "identity/held.h"
#include "identity/htpasswd.h"
#include "identity/read_file.h"
#include "identity/ticket.h"

namespace penstock::identity {
namespace {

struct Files {
  KeytabPtr keys;
  GroupsFile groups;
};

std::expected<Files, Faults> read(const ProviderSpec& spec) {
  Files out;
  Faults faults;
  auto keys = Keytab::read(spec.negotiate.value, spec.service);
  if (keys) out.keys = std::move(*keys);
  if (!keys) {
    faults.push_back({spec.negotiate.place, spec.negotiate.value + ": " + keys.error()});
  }
  auto groups = read_groups(spec.groups_file, faults);
  if (!faults.empty()) return std::unexpected(std::move(faults));
  out.groups = std::move(groups);
  return out;
}

class Negotiate final : public Checker {
 public:
  Negotiate(const ProviderSpec& spec, WatchedFiles watched, Files files)
      : spec_(spec),
        watched_(std::move(watched)),
        files_(std::make_shared<const Files>(std::move(files))) {}

  Provider provider() const override { return Provider::kNegotiate; }
  bool takes(std::optional<http::AuthScheme> scheme) const override {
    return scheme == http::AuthScheme::kNegotiate;
  }
  // A token is for one login, and whoever sends it again is somebody who has listened.
  bool repeats() const override { return false; }
  std::string basis(const Claim&) const override { return {}; }

  Checked check(const Claim& claim, int64_t) const override {
    const auto files = files_.get();
    const auto token = decode_base64(claim.secret);
    if (!token) return refused(Code::kCredentialsRejected, "the token is no base64");
    auto principal = check_ticket(*files->keys, *token);
    if (!principal) {
      switch (principal.error().fault) {
        case TicketFault::kNtlm: return refused(Code::kNtlm, principal.error().why);
        case TicketFault::kExpired: return refused(Code::kTokenExpired, principal.error().why);
        case TicketFault::kRejected: break;
      }
      return refused(Code::kCredentialsRejected, principal.error().why);
    }
    Identity who{without_realm(*principal, spec_.strip_realm), spec_.groups};
    const auto& more = files->groups.groups_of(who.name);
    who.groups.insert(who.groups.end(), more.begin(), more.end());
    if (!is_sound(who)) {
      return refused(Code::kCredentialsRejected,
                     "a principal with too long a name or too many groups");
    }
    return {.who = std::make_shared<const Identity>(std::move(who))};
  }

  std::string challenge(http::AuthScheme, std::optional<Code>) const override {
    return "Negotiate";
  }

  std::optional<News> refresh() const override {
    if (!watched_.have_changed()) return std::nullopt;
    auto files = read(spec_);
    if (!files) {
      return News{false, files.error().front().message + "; the keys in force stay as they were"};
    }
    const size_t count = files->keys->size();
    files_.set(std::make_shared<const Files>(std::move(*files)));
    return News{true,
                spec_.negotiate.value + " was read again: " + std::to_string(count) + " keys"};
  }

 private:
  static Checked refused(Code code, std::string why) {
    return {.who = std::unexpected(code), .why = std::move(why)};
  }

  const ProviderSpec spec_;
  mutable WatchedFiles watched_;  // of the thread that refreshes
  mutable Held<Files> files_;
};

}  // namespace

std::expected<CheckerPtr, Faults> open_negotiate(const ProviderSpec& spec) {
  WatchedFiles watched({spec.negotiate.value, spec.groups_file.value});
  auto files = read(spec);
  if (!files) return std::unexpected(std::move(files.error()));
  return std::make_shared<const Negotiate>(spec, std::move(watched), std::move(*files));
}

}  // namespace penstock::identity
