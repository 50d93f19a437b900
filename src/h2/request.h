// A CONNECT as HTTP/2 writes it (RFC 9113 sections 8.2, 8.3 and 8.5), read as strictly as the head
// of one in HTTP/1.1: nothing is repaired, and what two readers could understand differently is
// refused, with the same words.
// Pure.   Cost: linear in bytes; keeps only what a CONNECT needs.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/secret.h"
#include "http/authority.h"
#include "http/credentials.h"
#include "http/head.h"

namespace penstock::h2 {

struct Request {
  http::Authority target;
  std::optional<http::Credentials> credentials{};  // of Proxy-Authorization, which goes no further
};

// Takes the fields of one header block in their order.
class RequestReader {
 public:
  explicit RequestReader(http::HeadLimits limits) : limits_(limits) {}
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;
  ~RequestReader() { wipe(credentials_); }

  void take(std::string_view name, std::string_view value);
  // Of all that was taken, kept or not, as RFC 9113 section 6.5.2 counts: 32 for each field.
  size_t bytes() const { return bytes_; }

  // When the block has ended.
  Result<Request> request() const;
  // Method and target for the log of a request that was refused, as http::sketch_request_line()
  // would show them.
  std::string sketch() const;

 private:
  void take_pseudo(std::string_view name, std::string_view value);
  void take_regular(std::string_view name, std::string_view value);
  void keep(std::optional<std::string>& into, std::string_view value, Code twice);
  void refuse(Code why) {
    if (!failure_) failure_ = why;
  }

  const http::HeadLimits limits_;
  size_t bytes_ = 0;
  size_t fields_ = 0;
  std::optional<Code> failure_;  // the first
  std::optional<std::string> method_, authority_, path_, host_;
  std::string credentials_;
  bool regular_ = false;  // a regular field has come, behind which there is no pseudo-header
  bool scheme_ = false;
  bool protocol_ = false;
  bool length_ = false;
  bool two_credentials_ = false;
};

}  // namespace penstock::h2
