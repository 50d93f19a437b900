// A client that does not know of the proxy: its connection to somebody else was brought here by
// netfilter. Where it goes is told by its first bytes, the name in a ClientHello or a Host field;
// by the address it was sent to where there is no name.
//
// A name is judged by the rules for names and resolved by us. The client's address for it is not
// used: who may reach api.example.com would reach any address by writing that name into a
// ClientHello.
#include <algorithm>
#include <array>

#include "http/head.h"
#include "http/reply.h"
#include "session/connection.h"
#include "session/entrance.h"
#include "session/hear.h"
#include "sys/socket.h"
#include "tls/client_hello.h"
#include "tls/records.h"

namespace penstock::session {
namespace {

using loop::Task;

// What the first bytes say of the host. Nothing: they do not say yet.
struct Named {
  std::optional<http::HostField> host;  // empty: they name none
};
using Naming = Result<std::optional<Named>>;

Naming name_in_hello(const Connection& c, tls::HelloStep* step) {
  std::array<uint8_t, tls::kClientHelloBytesMax> scratch;
  tls::ClientHello hello;
  *step = tls::read_client_hello(c.early, scratch, &hello);
  switch (*step) {
    case tls::HelloStep::kNeedMore:
    case tls::HelloStep::kNotTls: return std::nullopt;
    case tls::HelloStep::kMalformed: return fail(Code::kBadHello);
    case tls::HelloStep::kComplete: break;
  }
  if (hello.sni.empty()) return Named{};
  auto name = http::canonical_name(hello.sni);
  if (!name) return std::unexpected(name.error());
  return Named{http::HostField{std::move(*name), std::nullopt, std::nullopt}};
}

Naming name_in_request(const Connection& c) {
  http::HeadReader reader(head_limits(c));
  const auto complete = reader.advance(heard(c));
  if (!complete) return Named{};  // no HTTP
  if (!*complete) return std::nullopt;
  auto host = http::parse_host_of_request(heard(c).substr(0, reader.length()), head_limits(c));
  if (!host) return std::unexpected(host.error());
  return Named{std::move(*host)};
}

Naming name_in_first_bytes(const Connection& c) {
  if (c.early.empty()) return std::nullopt;
  tls::HelloStep step;
  auto naming = name_in_hello(c, &step);
  return step == tls::HelloStep::kNotTls ? name_in_request(c) : naming;
}

std::optional<Endpoint> meant_for(const Connection& c) {
  const auto meant = c.listener().transparent == config::Transparent::kTproxy
                         ? sys::local_endpoint(c.client.fd())
                         : sys::original_destination(c.client.fd());
  // A connection that was made to the listener itself was not brought here by anybody.
  if (!meant || meant->port == 0 || policy::leads_here(*meant, c.situation->surroundings)) {
    return std::nullopt;
  }
  return meant;
}

// The port is the one that the connection was sent to; a Host field that says another is refused.
Result<Request> request_for(const Named& named, const Endpoint& meant) {
  if (!named.host) return Request{{meant.address.text(), meant.address, meant.port}};
  const http::Authority target{named.host->host, named.host->literal, meant.port};
  if (!named.host->agrees_with(target)) return fail(Code::kHostMismatch);
  return Request{target};
}

class TransparentWay final : public Entrance {
 public:
  std::string_view protocol() const override { return "transparent"; }

  Task<Result<Request>> read_request(Connection& c) const override {
    const auto meant = meant_for(c);
    if (!meant) co_return fail(Code::kLoop);
    c.story.asked = std::make_unique<std::string>("CONNECT " + meant->text());
    const Instant deadline =
        std::min(head_deadline(c), deadline_after(c.story.accepted, c.config().timeouts.hello));
    for (;;) {
      const auto named = name_in_first_bytes(c);
      if (!named) co_return std::unexpected(named.error());
      if (*named) {
        auto request = request_for(**named, *meant);
        if (request) c.story.asked.reset();
        co_return request;
      }
      const auto failed = co_await hear_more(c, deadline);
      // In some protocols the server speaks first: who waits for it has said where to by then.
      const bool silent = failed && failed->code == Code::kHeadTimeout && c.early.empty();
      if (silent) co_return request_for({}, *meant);
      if (failed) co_return std::unexpected(*failed);
    }
  }

  // The client has no idea that anybody else than its origin might speak.
  std::string established(const Connection& /*c*/) const override { return {}; }

  // In the words that it expects of its origin, where it would understand why.
  std::optional<std::string> refused(const Connection& c, const Refusal& refusal) const override {
    const Error& error = *c.story.error;
    if (!c.early.empty() && c.early[0] == tls::kHandshakeRecord) {
      if (error.facts().side != Side::kPolicy) return std::nullopt;
      return std::string(tls::kAccessDenied);
    }
    http::HeadReader reader(head_limits(c));
    const auto complete = reader.advance(heard(c));
    if (!complete || !*complete) return std::nullopt;
    return http::refusal_reply(error, {.retry_after = refusal.retry_after, .cause = c.story.cause});
  }
};

}  // namespace

const Entrance& transparent() {
  static const TransparentWay entrance;
  return entrance;
}

}  // namespace penstock::session
