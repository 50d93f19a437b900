// What a rule with `inspect:` says of the tunnels that it allows: which of them are read, and what
// of that may pass. Pure. Thread: any, once compiled.   Lifetime: RuleFacts share it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fault.h"
#include "http/authority.h"
#include "http/edit.h"

namespace penstock::policy {

// What becomes of an origin whose certificate is not good: the client is told in a page, or is
// shown a certificate with the same fault.
enum class OriginFaults : uint8_t { kRefuse, kMimic };
// What becomes of a protocol inside that is not HTTP.
enum class OtherProtocols : uint8_t { kTunnel, kRefuse };

// One request inside a tunnel, as far as rules look at it. Views of a request that outlives it.
struct InsideRequest {
  std::string_view method;
  std::string_view path;    // without its query
  std::string_view fields;  // field lines, each with its CR LF, for http::take_field()
  std::optional<uint64_t> body_bytes;  // none: not known beforehand
};

class Inspection {
 public:
  OriginFaults origin_faults = OriginFaults::kRefuse;
  OtherProtocols other = OtherProtocols::kTunnel;
  // After so many handshakes in a row that the same client broke off in the way of a program that
  // expects another certificate, its tunnels to that name are carried unread; 0: never.
  uint32_t tunnel_pinned_after = 0;
  Located<std::string> certificate;  // shown to origins that ask for one; empty: none
  Located<std::string> key;
  http::FieldEdits edits;  // of every request that passes

  // False: it is among the exceptions, and stays the client's and the origin's.
  bool reads(const http::Authority& target) const;
  // Nothing: it may pass.
  std::optional<Code> judge(const http::Authority& target, const InsideRequest& request) const;
};

}  // namespace penstock::policy
