// The heads of HTTP that a service of ICAP is shown and gives back. What it gives back is read by
// the same strict readers as what a client or an origin says, and framed by us: a service may
// change what a message says, and not where it goes or where it ends for somebody else. Pure. Cost:
// linear in bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/authority.h"
#include "http/forward.h"
#include "http/head.h"

namespace penstock::icap {

// A head is a bit longer behind a service than in front of it.
inline constexpr size_t kAddedBytesMax = 16 * 1024;
inline constexpr size_t kAddedFieldsMax = 100;

// What the service is shown of `request`, which goes to an origin in TLS: the absolute form, as
// other proxies have it, without the framing and without our own Via, which the head gets again
// when it comes back.
std::string shown_head(const http::ForwardRequest& request);
std::string shown_head(const http::ForwardAnswer& answer);

struct ChangedRequest {
  http::ForwardRequest request;        // its body is read from the service, in chunks
  std::optional<uint64_t> promised{};  // bytes of the body, where the head says so
};
// `head` is all of what stands in front of the body. kIcapDestination: it is for another authority
// than `original`; kIcapAnswer: two readers could understand it differently, or it has a body where
// it says that it has none.
Result<ChangedRequest> read_request(std::string_view head, bool body,
                                    const http::ForwardRequest& original,
                                    const http::HeadLimits& limits, std::string_view pseudonym);

struct ChangedAnswer {
  http::ForwardAnswer answer;
  std::optional<uint64_t> promised{};
};
// To `request`. An answer to HEAD has no body, whatever the service has sent behind it.
Result<ChangedAnswer> read_answer(std::string_view head, bool body,
                                  const http::ForwardRequest& request, bool may_persist,
                                  const http::HeadLimits& limits, std::string_view pseudonym);

}  // namespace penstock::icap
