// A request that is forwarded, not tunnelled: `GET http://host/path` (absolute-form, RFC 9112
// section 3.2.2), or one inside a tunnel that is inspected (`GET /path`), and its answer. Both are
// read strictly and written anew: request line, Host and framing are ours, so whatever two readers
// could have understood differently ends here. Pure. Cost: linear in bytes; one string for what is
// sent on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/authority.h"
#include "http/body.h"
#include "http/credentials.h"
#include "http/head.h"

namespace penstock::http {

// By what a message comes, or goes.
enum class Carrier : uint8_t {
  kConnection,  // of HTTP/1.1
  kStream,      // of HTTP/2: one request and one answer, and both bodies end with their direction
};

// How a body is sent on.
enum class Coding : uint8_t {
  kPlain,    // as it is: counted, or up to the end of the connection
  kChunked,  // cut into chunks of ours
};

struct ForwardRequest {
  Authority target;
  std::optional<Credentials> credentials;  // of Proxy-Authorization, which goes no further
  std::string method;
  std::string path;                      // without its query
  std::string head;                      // what the origin is sent: origin-form, whole
  BodyReader body = BodyReader::none();  // what the client sends behind its head
  Coding coding = Coding::kPlain;        // of that, towards the origin
  Carrier carrier = Carrier::kConnection;
  bool http_1_0 = false;
  bool persists = false;   // the client may ask again on this connection
  bool websocket = false;  // asks to become one
  bool binds = false;      // carries what authenticates its connection
  bool to_head = false;    // HEAD: its answer has no body
  // Its client is ready for trailers (TE, RFC 9110 section 10.1.4), and has a carrier for them.
  bool takes_trailers = false;

  // Safe to be sent twice (RFC 9110 section 9.2.1), and there is no body that would be gone.
  bool repeatable() const;
};

// The fields of what the origin is sent, for take_field().
std::string_view field_lines(const ForwardRequest& request);

// How long a body is that its head, of which these are the fields, says so of; nothing: it does
// not.
std::optional<uint64_t> body_bytes(std::string_view lines, const BodyReader& body);

// Whether a head asks for a tunnel; anything else is to be forwarded. An empty line may come first.
bool is_connect(std::string_view head);

// `text` is complete: the first HeadReader::length() bytes. `pseudonym`: who we are in Via.
//
// Host must agree with the target, or be left out by HTTP/1.0. RFC 9112 would let us overwrite one
// that differs; a filter in front of us may have believed it. What is sent on is the target's.
// A Content-Length is one number and stands alone; a Transfer-Encoding is "chunked" and nothing
// else. Of a stream's request the head has been written for it, and says how the body goes on; what
// the client sends has no chunks.
//
// `inside`: where the tunnel leads by which it came, and the request with it: kFronting for one
// that names another host. Null: none, and the request says where it goes.
Result<ForwardRequest> parse_forward(std::string_view text, HeadLimits limits,
                                     std::string_view pseudonym,
                                     Carrier carrier = Carrier::kConnection,
                                     const Authority* inside = nullptr);

struct ForwardAnswer {
  int status = 0;    // 100 to 599; below 200 another head follows
  std::string head;  // what the client is sent, whole
  BodyReader body = BodyReader::none();
  Coding coding = Coding::kPlain;
  // Behind the body another request may go to the origin, and another one come from the client.
  bool origin_persists = false;
  bool client_persists = false;
};

// How an answer has come from its origin.
struct AnswerWay {
  Carrier carrier = Carrier::kConnection;
  bool whole = false;  // by a stream that has ended: nothing is behind the head
};

// `head`: what an AnswerReader with Stop::kAtEach stopped behind, from its status line on.
// `may_persist`: the client's connection may, as far as we are concerned. kBadResponse for what two
// clients could understand differently. Of a stream's answer the head has been written for it; its
// body ends with the stream, and whoever reads that holds it to what its Content-Length says.
Result<ForwardAnswer> parse_forward_answer(std::string_view head, const ForwardRequest& request,
                                           bool may_persist, std::string_view pseudonym,
                                           AnswerWay way = {});

}  // namespace penstock::http
