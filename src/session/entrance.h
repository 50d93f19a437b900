// A way in: how a client's request is read and how it is told yes or no, in the client's protocol.
// What happens in between is the same for all of them (session/connection.cpp).
// Thread: the worker's.   Lifetime: longer than the connections that came in by it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/authority.h"
#include "http/credentials.h"
#include "http/forward.h"
#include "loop/task.h"

namespace penstock::session {

class Connection;

// What is asked for, whatever the words were.
struct Request {
  http::Authority target;
  std::optional<http::Credentials> credentials{};
  // The protocol lets the client ask again by the same connection where it is refused for who it
  // is, and the client has not said that it will not.
  bool may_repeat = false;
  std::unique_ptr<http::ForwardRequest> forward = nullptr;  // null: a tunnel
};

// How a client is told no.
struct Refusal {
  std::optional<int> retry_after;  // seconds, where trying again may help
  bool goes_on = false;            // the client may ask again by this connection
};

class Entrance {
 public:
  virtual ~Entrance() = default;

  // The log's word for the protocol.
  virtual std::string_view protocol() const = 0;
  // Reads the request by `timeouts.head` after the connection began: what lies in c.early first,
  // then from the client. What came behind it is left in c.early.
  virtual loop::Task<Result<Request>> read_request(Connection& c) const = 0;
  // What the client is told before the tunnel's first byte.
  virtual std::string established(const Connection& c) const = 0;
  // What it is told of a forwarded answer, or of an interim one, which has this head in HTTP/1.1.
  // `whole`: there is no body behind it.
  virtual std::string answered(const Connection& /*c*/, std::string head, bool /*whole*/) const {
    return head;
  }
  // What it is told instead, by c.story.error; nothing: the protocol has no words for it.
  virtual std::optional<std::string> refused(const Connection& c, const Refusal& refusal) const = 0;
};

// Finds out by its first bytes which way a client comes in.
loop::Task<Result<const Entrance*>> way_in(Connection& c);

// HTTP/1.1: CONNECT (RFC 9110 section 9.3.6), and requests to be forwarded (RFC 9112
// section 3.2.2).
const Entrance& http1();
// The same by one stream of HTTP/2 (RFC 9113 sections 8.1 and 8.5); the client is a
// session/http2.h.
const Entrance& http2();
// A connection of HTTP/2: its streams come in by http2(), it is none of them (session/trunk.h).
const Entrance& http2_trunk();
// SOCKS5 CONNECT (RFC 1928).
const Entrance& socks5();
// A connection that was meant for somebody else and brought here by netfilter.
const Entrance& transparent();

}  // namespace penstock::session
