// A leaf without its signature (TBSCertificate, RFC 5280 section 4.1), read as strictly as nobody
// else reads one: DER in its shortest form, fields in their order, names that are host names or
// addresses. What is signed is these bytes, so nobody may read anything else in them.
// Pure. Thread: any.   Cost: linear, no allocation.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace penstock::bump {

using Bytes = std::span<const uint8_t>;

// Whole elements, with tag and length, where nothing else is said. Views of the draft.
struct DraftFields {
  Bytes serial;  // its content: positive, 8 to 20 bytes
  Bytes algorithm;
  Bytes issuer;
  Bytes validity[2];  // each a time
  Bytes subject;
  Bytes key;         // SubjectPublicKeyInfo: a point of P-256
  Bytes extensions;  // those before the names, one behind the other
  int names = 0;     // at least 1, at most kNamesMax
};

// Nothing: it is another shape than that of a leaf.
std::optional<DraftFields> read_draft(Bytes draft);

}  // namespace penstock::bump
