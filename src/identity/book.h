// The providers of identity in their order, with their files: who is asking, as far as that can be
// said at once, and who must be asked for the rest.
//   An address or a certificate says who it is. Credentials must be checked, and wrong ones end the
//   search: who says that he is Ann and is not shall not become a guest. Where credentials are
//   taken, whoever has none is nobody, and is told so (407); where none are taken, he goes on
//   without a name.
// Thread: any, once opened.   Lifetime: borrows nothing.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fault.h"
#include "base/ip.h"
#include "http/credentials.h"
#include "identity/certificate.h"
#include "identity/checker.h"
#include "identity/identity.h"
#include "identity/key_source.h"
#include "identity/spec.h"
#include "policy/prefix_set.h"

namespace penstock::identity {

// What is known of somebody when he asks.
struct Presented {
  IpAddress client;
  const Certificate* certificate = nullptr;  // null: none
  std::optional<http::AuthScheme> scheme{};  // of the credentials, if they are considered
};

struct Opinion {
  IdentityPtr who{};                   // null: nobody, or not yet known
  Provider by = Provider::kClients;    // who said so; only with `who`
  std::vector<CheckerPtr> checkers{};  // to be asked in turn, until one accepts
  std::optional<Code> refused{};       // what is missing
};

class Book {
 public:
  // Everything that is wrong with `specs` or a file that they name, or the book.
  // `before`: the one that this replaces, or null: what it has fetched is still good.
  static std::expected<std::shared_ptr<const Book>, Faults> open(
      const std::vector<ProviderSpec>& specs, const Book* before = nullptr);

  Opinion opinion(const Presented& presented) const;

  // The fields of a 407, "Proxy-Authenticate: ...\r\n" for each scheme once. `sent`: the scheme of
  // what was refused.
  std::string challenges(std::optional<http::AuthScheme> sent, Code why) const;

  // Reads files again that have changed, and says so.
  std::vector<Checker::News> refresh() const;

  // Each once.
  const std::vector<KeySourcePtr>& key_sources() const { return key_sources_; }
  // Of one URL with several settings, the first.
  std::vector<KeySource::Facts> key_facts(Instant now) const;

  // Somebody must be asked, at least about some clients.
  bool has_checkers() const { return has_checkers_; }
  bool has_remote_checkers() const { return has_remote_checkers_; }
  bool takes(http::AuthScheme scheme) const;
  bool takes_any() const { return takes_credentials_; }
  // Where no provider takes any, those that are sent say nothing.
  std::optional<http::AuthScheme> considered(std::optional<http::AuthScheme> scheme) const {
    return takes_credentials_ ? scheme : std::nullopt;
  }

 private:
  struct Entry {
    Provider provider = Provider::kClients;
    policy::PrefixSet clients;
    IdentityPtr who;  // of kClients
    CertificateField field = CertificateField::kSubject;
    std::vector<std::string> groups;  // of kCertificate
    CheckerPtr checker;
  };
  std::expected<Entry, Faults> entry_of(const ProviderSpec& spec, const Book* before);
  std::expected<CheckerPtr, Faults> checker_of(const ProviderSpec& spec, const Book* before);
  KeySourcePtr key_source_of(const ProviderSpec& spec, const Book* before);

  std::vector<Entry> entries_;
  std::vector<KeySourcePtr> key_sources_;
  bool has_checkers_ = false;
  bool has_remote_checkers_ = false;
  bool takes_credentials_ = false;
};

}  // namespace penstock::identity
