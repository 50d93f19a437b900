// What a client inside an inspected tunnel is told when its request is refused or fails: a page for
// people, or a problem document (RFC 9457) for programs, by what the client prefers. Words from
// error.def, and of what the client sent nothing but the tunnel's host, escaped.
// Pure.   Cost: one string of some 3 KiB; the Accept field is read up to 1 KiB.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "http/reply.h"

namespace penstock::http {

// Whether an Accept field (RFC 9110 section 12.5.1) names HTML, and nothing of JSON before it.
// `*/*` alone, or no field, is a program.
bool prefers_html(std::string_view accept);

struct PageDetails {
  std::string_view accept{};  // of the request; of several fields, the first
  std::string_view host{};    // of the tunnel
  std::string_view id{};      // of the request's log line, so that it can be found
  std::string_view fault{};   // of the origin's certificate, in OpenSSL's words
  bool head = false;          // the method is HEAD
  RefusalDetails refusal{};   // when to come back, and so on
};

// A whole message. The error must have a status.
std::string refusal_page(const Error& error, const PageDetails& details);

}  // namespace penstock::http
