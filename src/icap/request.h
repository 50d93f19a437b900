// What a service of ICAP is asked: the head of a REQMOD, a RESPMOD or an OPTIONS (RFC 3507 section
// 4), with the heads of HTTP behind it that it is about. Pure.   Cost: one string.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "icap/answer.h"
#include "icap/service.h"

namespace penstock::icap {

struct Asking {
  Method method = Method::kOptions;
  std::string_view request{};  // heads of HTTP, whole; empty: there is none
  std::string_view answer{};
  bool body = false;                  // one follows, in chunks
  std::optional<uint64_t> preview{};  // and of it, so many bytes first
  bool allow_204 = false;             // all of it is held until the service has answered
  // What the service is told besides; empty: it is not.
  std::string_view client{};
  std::string_view identity{};
  std::string_view origin{};
};

// Up to where a body's first chunk begins.
std::string head_of(const Service& service, const Asking& asking);

// A preview in chunks, with its end: `whole` says that the body has no more (section 4.5).
std::string preview_of(std::string_view content, bool whole);

}  // namespace penstock::icap
