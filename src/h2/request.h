// A request as HTTP/2 writes it (RFC 9113 sections 8.2, 8.3 and 8.5), read as strictly as the head
// of one in HTTP/1.1: nothing is repaired, and what two readers could understand differently is
// refused, with the same words. Of a CONNECT only what it needs is kept; any other is written as a
// head of HTTP/1.1, so that one parser reads all that is forwarded.
// Pure.   Cost: linear in bytes.
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
  http::Authority target;                          // of a CONNECT
  std::optional<http::Credentials> credentials{};  // of Proxy-Authorization, which goes no further
  // Of any other request: for http::parse_forward() with Carrier::kStream. Without credentials.
  std::string head{};

  bool tunnel() const { return head.empty(); }
};

// Takes the fields of one header block in their order.
class RequestReader {
 public:
  RequestReader(http::HeadLimits limits, std::string_view scheme)
      : limits_(limits), scheme_expected_(scheme) {}
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;
  ~RequestReader() { wipe(credentials_); }

  void take(std::string_view name, std::string_view value);
  // Of all that was taken, kept or not, as RFC 9113 section 6.5.2 counts: 32 for each field.
  size_t bytes() const { return bytes_; }

  // When the block has ended. `last`: the stream has, too.
  Result<Request> request(bool last) const;
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
  bool is_connect() const { return method_ == "CONNECT"; }
  Result<http::Authority> target() const;
  Result<std::string> head(bool last) const;

  const http::HeadLimits limits_;
  const std::string_view scheme_expected_;  // "http" or "https"
  size_t bytes_ = 0;
  size_t fields_ = 0;
  std::optional<Code> failure_;  // the first
  std::optional<std::string> method_, scheme_, authority_, path_, host_, length_;
  std::string fields_text_;  // as lines, of what is to be forwarded
  std::string cookies_;      // which may come in pieces (RFC 9113 section 8.2.3)
  std::string credentials_;
  bool regular_ = false;  // a regular field has come, behind which there is no pseudo-header
  bool protocol_ = false;
  bool two_credentials_ = false;
};

}  // namespace penstock::h2
