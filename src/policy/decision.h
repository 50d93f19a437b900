// The words that policy and the rest of the program share: who asks, what was decided and why,
// and the only thing that can be dialled.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fault.h"
#include "base/ip.h"
#include "http/proxy_url.h"
#include "policy/inspection.h"

namespace penstock::policy {

enum class Mode : uint8_t { kEnforce, kReport };
enum class TlsCheck : uint8_t { kRequired, kChecked, kIgnored };
enum class EchCheck : uint8_t { kDeny, kAllow };
// Whether a destination is told who the client is, and in which version of the PROXY protocol.
enum class Announce : uint8_t { kNothing, kV1, kV2 };

// Who asks. The views must outlive the call they are given to.
struct Asker {
  IpAddress client;
  std::string_view identity{};            // empty: nobody was identified
  std::span<const std::string> groups{};  // only of who was
  std::string_view method = kTunnel;  // how he asks: by a tunnel, or by a request to be forwarded

  // Every protocol's tunnels go by this name.
  static constexpr std::string_view kTunnel = "CONNECT";
  bool plain() const { return method != kTunnel; }
};

// What a rule says about itself once compiled; lives as long as its Rules.
struct RuleFacts {
  std::string name;
  bool allow = false;
  TlsCheck tls = TlsCheck::kChecked;
  EchCheck ech = EchCheck::kDeny;
  Announce announce = Announce::kNothing;
  Place place;                      // of the rule in its file
  std::vector<http::ProxyUrl> via;  // parents to go through, the first that can be had; empty: none
  std::shared_ptr<const Inspection> inspect;  // null: its tunnels are nobody's to read
};

// The verdict on a name. A value: nothing changes it afterwards.
struct Decision {
  bool allowed = false;
  bool would_deny = false;           // allowed only because the mode is `report`
  Code why = Code::kNameDenied;      // of a refusal
  const RuleFacts* rule = nullptr;   // null: no rule matched. Lives as long as the Rules.
  uint32_t rule_index = UINT32_MAX;  // position of that rule; UINT32_MAX: none
};

// An address that was judged fit to dial, together with the port it was judged for. Only
// Rules::judge_addresses makes one, and dial::reach takes nothing else: what was judged is what
// is dialled, so a DNS answer that changes between check and use (rebinding) has no effect.
class Route {
 public:
  const Endpoint& endpoint() const { return endpoint_; }

 private:
  friend class Rules;
  explicit Route(const Endpoint& endpoint) : endpoint_(endpoint) {}
  Endpoint endpoint_;
};

// What the first bytes of the client turned out to be.
struct Hello {
  bool tls = false;        // a ClientHello, complete and well-formed
  bool malformed = false;  // began like a ClientHello and was none
  std::string_view sni;    // as sent; empty: none
  bool ech = false;        // an encrypted_client_hello extension is present (GREASE looks alike)
};

}  // namespace penstock::policy
