// A provider that is given credentials and takes its time over them: a password is hashed, a
// signature is checked. Its files may be changed while it is in use.
// Thread: check() any of those that the server keeps for it; refresh() one; the rest any.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/fault.h"
#include "base/ip.h"
#include "base/time.h"
#include "fetch/fetcher.h"
#include "http/credentials.h"
#include "identity/identity.h"
#include "identity/spec.h"

namespace penstock::identity {

// What is to be checked, and for whom.
struct Claim {
  std::optional<http::AuthScheme> scheme{};  // empty: there are no credentials
  std::string_view secret{};
  IpAddress client{};
  std::string_view listener{};  // its address
  std::string_view method{};
  std::string_view authority{};  // that is asked for
};

// What came of a check.
struct Checked {
  std::expected<IdentityPtr, Code> who;
  Duration good_for{};  // how long the answer may be believed; of a refusal: not at all
  std::string why{};    // of a refusal, for the program's log; says no secret
  bool later = false;   // a key is being fetched: check again when it is there; all else is void
};

class RemoteChecker;

class Checker {
 public:
  Checker() = default;
  Checker(const Checker&) = delete;
  Checker& operator=(const Checker&) = delete;
  virtual ~Checker() = default;

  virtual Provider provider() const = 0;
  // Whether credentials of this kind are for it; empty: those of clients that send none.
  virtual bool takes(std::optional<http::AuthScheme> scheme) const = 0;
  // Whether the same credentials may come again. Those of others are never believed twice.
  virtual bool repeats() const { return true; }

  // All that the answer to `claim` depends on beside its secret and the clock, as bytes: an answer
  // that was given under other ones is no answer. Costs a look-up.
  virtual std::string basis(const Claim& claim) const = 0;

  // `now`: seconds since 1970. Not of one that is remote.
  virtual Checked check(const Claim& claim, int64_t now) const = 0;
  // Null: it checks by itself.
  virtual const RemoteChecker* remote() const { return nullptr; }

  // The value of a Proxy-Authenticate field for a scheme that it takes. `refused`: what this
  // scheme's credentials were just refused for.
  virtual std::string challenge(http::AuthScheme scheme, std::optional<Code> refused) const = 0;

  // Reads its files again if they have changed. A line for the log if they have, or if they cannot
  // be used: then what was read before stands.
  struct News {
    bool good = true;
    std::string line;
  };
  virtual std::optional<News> refresh() const = 0;
};

// One whose answers must be asked for, over HTTP.
class RemoteChecker : public Checker {
 public:
  virtual fetch::Request request(const Claim& claim) const = 0;
  virtual Checked judge(const Claim& claim, const fetch::Outcome& outcome) const = 0;

  Checked check(const Claim&, int64_t) const final {
    return {.who = std::unexpected(Code::kAuthorizerFailed)};
  }
  const RemoteChecker* remote() const final { return this; }
  std::optional<News> refresh() const final { return std::nullopt; }
};

using CheckerPtr = std::shared_ptr<const Checker>;

// A checker whose files have been read, or all that is wrong with them.
std::expected<CheckerPtr, Faults> open_basic(const ProviderSpec& spec);
std::expected<CheckerPtr, Faults> open_jwt(const ProviderSpec& spec);
std::expected<CheckerPtr, Faults> open_negotiate(const ProviderSpec& spec);
CheckerPtr open_authorizer(const ProviderSpec& spec);

// As Basic and Bearer ask for credentials (RFC 7617 section 2, RFC 6750 section 3).
std::string challenge_of(http::AuthScheme scheme, const std::string& realm,
                         std::optional<Code> refused);
// The same, with keys that are fetched from a URL.
class KeySource;
std::expected<CheckerPtr, Faults> open_jwt(const ProviderSpec& spec,
                                           std::shared_ptr<KeySource> source);

}  // namespace penstock::identity
