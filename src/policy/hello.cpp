// Whether what the client says inside the tunnel agrees with what it asked the tunnel for. A
// perfect list of destinations is worth little where a CDN serves every customer from the same
// address: CONNECT to the allowed name, SNI of any other.
#include "http/authority.h"
#include "policy/rules.h"

namespace penstock::policy {
namespace {

bool same_host(std::string_view sni, const http::Authority& target) {
  if (target.literal) {
    const auto address = IpAddress::parse(sni);
    return address && *address == *target.literal;
  }
  const auto name = http::canonical_name(sni);
  return name && *name == target.host;
}

}  // namespace

std::optional<Code> Rules::judge_hello(const RuleFacts* rule, const http::Authority& target,
                                       const Hello& hello) {
  // No rule (report mode, or a default policy): what a rule says that says nothing.
  const TlsCheck tls = rule ? rule->tls : TlsCheck::kChecked;
  const EchCheck ech = rule ? rule->ech : EchCheck::kDeny;
  if (tls == TlsCheck::kIgnored) return std::nullopt;
  if (hello.malformed) return Code::kBadHello;
  if (!hello.tls) {
    if (tls == TlsCheck::kRequired) return Code::kTlsRequired;
    return std::nullopt;
  }
  if (hello.sni.empty()) {
    // An address has no name to send (RFC 6066 section 3); a name that is not sent is hidden.
    if (target.literal) return std::nullopt;
    return Code::kSniMissing;
  }
  // With the right outer name, an ECH extension is GREASE or leads to the same front: it passes.
  if (same_host(hello.sni, target)) return std::nullopt;
  if (hello.ech && ech == EchCheck::kAllow) return std::nullopt;
  return hello.ech && !target.literal ? Code::kEchDenied : Code::kSniMismatch;
}

}  // namespace penstock::policy
