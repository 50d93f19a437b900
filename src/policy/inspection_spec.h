// What a rule's `inspect:` says, as it was written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fault.h"
#include "policy/pattern.h"

namespace penstock::policy {

// What becomes of an origin whose certificate is not good: the client is told in a page, or is
// shown a certificate with the same fault.
enum class OriginFaults : uint8_t { kRefuse, kMimic };
// What becomes of a protocol inside that is not HTTP.
enum class OtherProtocols : uint8_t { kTunnel, kRefuse };

// An item of `http: {allow: [...], deny: [...]}`: all that it names must hold.
struct RequestSpec {
  struct HeaderField {
    Located<std::string> name;
    Located<std::string> glob;  // of its value
  };

  Place place;
  std::vector<Located<std::string>> methods;        // empty: any; so below
  std::vector<Located<std::string>> hosts;          // patterns without ports
  std::vector<Located<std::string>> paths;          // globs
  std::vector<Located<std::string>> content_types;  // globs, without parameters
  std::vector<HeaderField> headers;
  std::optional<uint64_t> body_max;   // of what is allowed: known, and so many bytes at most
  std::optional<uint64_t> body_over;  // of what is denied: more bytes, or nobody knows
};

// A field that is put into every request: written out, or what is in a file.
struct FieldSpec {
  Located<std::string> name;
  Located<std::string> value;  // of what names a file: empty until it has been read
  Located<std::string> file;   // empty: written out
};

struct InspectionSpec {
  Place place;
  std::vector<Located<std::string>> except;  // patterns without ports
  Located<std::string> except_file;          // more of them; empty: none
  OriginFaults origin_faults = OriginFaults::kRefuse;
  OtherProtocols other = OtherProtocols::kTunnel;
  uint64_t tunnel_pinned_after = 0;               // 0: never
  std::vector<Located<std::string>> origin_keys;  // sha256// and base64; empty: any key
  Located<std::string> certificate;               // empty: none
  Located<std::string> key;
  std::vector<RequestSpec> allow;  // empty: whatever is not denied
  std::vector<RequestSpec> deny;
  std::vector<FieldSpec> set_headers;
  std::vector<Located<std::string>> remove_headers;
  Located<std::string> icap_request;  // names of services; empty: none
  Located<std::string> icap_response;

  // Of the files: what was in them, once they have been read.
  std::vector<Pattern> excepted_by_file;
  bool files_read = false;

  bool names_files() const;
};

}  // namespace penstock::policy
