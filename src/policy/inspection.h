// What a rule with `inspect:` says of the tunnels that it allows: which of them are read, and what
// of that may pass. Pure. Thread: any, once compiled.   Lifetime: RuleFacts share it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fault.h"
#include "http/authority.h"
#include "http/edit.h"
#include "policy/inspection_spec.h"
#include "policy/request_rules.h"

namespace penstock::policy {

// SHA-256 of a SubjectPublicKeyInfo in DER (RFC 7469 section 2.4).
using KeyDigest = std::array<uint8_t, 32>;

class Inspection {
 public:
  // Null: something is wrong with it, and `faults` say what.
  static std::shared_ptr<const Inspection> compile(const InspectionSpec& spec, Faults& faults);

  OriginFaults origin_faults = OriginFaults::kRefuse;
  OtherProtocols other = OtherProtocols::kTunnel;
  // After so many handshakes in a row that the same client broke off in the way of a program that
  // expects another certificate, its tunnels to that name are carried unread; 0: never.
  uint32_t tunnel_pinned_after = 0;
  // One of the certificates of an origin's chain has to have one of them; empty: any.
  std::vector<KeyDigest> origin_keys;
  Located<std::string> certificate;  // shown to origins that ask for one; empty: none
  Located<std::string> key;
  http::FieldEdits edits;  // of every request that passes
  // Names of the services that requests and answers are shown to (icap/service.h); empty: to none.
  std::string icap_request;
  std::string icap_response;

  // False: it is among the exceptions, and stays the client's and the origin's.
  bool reads(const http::Authority& target) const;
  // Nothing: it may pass.
  std::optional<Code> judge(const http::Authority& target, const InsideRequest& request) const;
  // The same judgement with its reason.
  RequestVerdict verdict(const http::Authority& target, const InsideRequest& request) const;

 private:
  HostSet excepted_;
  RequestRules requests_;
  bool whole_ = true;  // false: it names files that nobody has read, and must not be asked
};

}  // namespace penstock::policy
