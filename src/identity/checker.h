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
#include "base/time.h"
#include "http/credentials.h"
#include "identity/identity.h"
#include "identity/spec.h"

namespace penstock::identity {

// What came of a check.
struct Checked {
  std::expected<IdentityPtr, Code> who;
  Duration good_for{};     // how long the answer may be believed; of a refusal: not at all
  std::string_view why{};  // of a refusal, for the program's log; says nothing that was sent
  bool later = false;      // a key is being fetched: check again when it is there; all else is void
};

class Checker {
 public:
  Checker() = default;
  Checker(const Checker&) = delete;
  Checker& operator=(const Checker&) = delete;
  virtual ~Checker() = default;

  virtual Provider provider() const = 0;
  virtual http::AuthScheme scheme() const = 0;

  // All that the answer to `secret` depends on beside it and the clock, as bytes: an answer that
  // was given under other ones is no answer. Costs a look-up.
  virtual std::string basis(std::string_view secret) const = 0;

  // `now`: seconds since 1970.
  virtual Checked check(std::string_view secret, int64_t now) const = 0;

  // The value of a Proxy-Authenticate field. `refused`: what this scheme's credentials were just
  // refused for.
  virtual std::string challenge(std::optional<Code> refused) const = 0;

  // Reads its files again if they have changed. A line for the log if they have, or if they cannot
  // be used: then what was read before stands.
  struct News {
    bool good = true;
    std::string line;
  };
  virtual std::optional<News> refresh() const = 0;
};

using CheckerPtr = std::shared_ptr<const Checker>;

// A checker whose files have been read, or all that is wrong with them.
std::expected<CheckerPtr, Faults> open_basic(const ProviderSpec& spec);
std::expected<CheckerPtr, Faults> open_jwt(const ProviderSpec& spec);
// The same, with keys that are fetched from a URL.
class KeySource;
std::expected<CheckerPtr, Faults> open_jwt(const ProviderSpec& spec,
                                           std::shared_ptr<KeySource> source);

}  // namespace penstock::identity
