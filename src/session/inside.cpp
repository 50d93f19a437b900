#include "session/inside.h"

#include <openssl/x509.h>

#include <array>
#include <utility>

#include "base/ascii.h"
#include "base/check.h"
#include "http/request_parts.h"
#include "session/connection.h"
#include "session/entrance.h"
#include "session/hear.h"
#include "session/watch.h"

namespace penstock::session {

using loop::Task;
using Failure = std::optional<Error>;

namespace {

class Http1Inside final : public Entrance {
 public:
  std::string_view protocol() const override { return http1().protocol(); }

  Task<Result<Request>> read_request(Connection& c) const override {
    auto head = co_await hear_head(c);
    if (!head) co_return std::unexpected(head.error());
    c.story.target = c.inside->target;
    auto asked =
        http::parse_forward(heard(c).substr(0, *head), head_limits(c), c.worker.pseudonym(),
                            http::Carrier::kConnection, &c.inside->target);
    if (!asked) {
      note_asked(c);
      co_return std::unexpected(asked.error());
    }
    use_up(c, *head);
    Request out{.target = asked->target};
    out.forward = std::make_unique<http::ForwardRequest>(std::move(*asked));
    co_return out;
  }

  std::string established(const Connection& /*c*/) const override { return {}; }
  std::optional<std::string> refused(const Connection& c, const Refusal& refusal) const override {
    return http1().refused(c, refusal);
  }
};

// What a handshake with a parent says, of an origin.
Code of_origin(Code parents) {
  switch (parents) {
    case Code::kParentAlert: return Code::kOriginAlert;
    case Code::kTlsTimeout: return Code::kOriginTlsTimeout;
    case Code::kClientGone: return Code::kClientGone;
    default: return Code::kOriginTls;
  }
}

void complain(Connection& c, std::string_view what, const char* why) {
  std::string said = "origin " + c.story.target.text() + ": " + std::string(what);
  if (why) said.append(": ").append(why);
  c.worker.trouble().say(observe::Level::kInfo, said);
}

// What HTTP/2 does not do, or what counts for a connection and not for one request.
bool needs_http1(const Connection& c) {
  return c.forward->http1_only || c.forward->request.websocket || c.forward->request.binds;
}

bool may_share_stream(const Connection& c) {
  return !c.forward->fresh && !needs_http1(c) && c.story.shares_origin();
}

void become_stream(Connection& c, OriginTrunks::StreamPtr stream) {
  c.forward->stream = stream.get();
  c.origin = loop::Stream(c.worker.loop(), std::move(stream));
}

Task<Result<void>> shake_hands(Connection& c, tls::Session& session) {
  loop::Timer timer(c.worker.loop());
  timer.arm(deadline_after(c.worker.loop().now(), c.config().timeouts.dial));
  if (const auto failed = co_await tls::shake_hands(session, c.origin, timer)) {
    co_return std::unexpected(*failed);
  }
  co_return Result<void>();
}

}  // namespace

bump::Protocols protocols_of_http(bool http2) {
  static constexpr std::array<std::string_view, 2> kBoth = {"h2", "http/1.1"};
  return bump::Protocols(kBoth).subspan(http2 ? 0 : 1);
}

const Entrance& http1_inside() {
  static const Http1Inside entrance;
  return entrance;
}

Inside::Fingerprint fingerprint_of(const X509* certificate) {
  Inside::Fingerprint out{};
  unsigned size = out.size();
  PENSTOCK_CHECK(X509_digest(certificate, EVP_sha256(), out.data(), &size) == 1);
  return out;
}

dial::IdleOrigins::Trust trust_of(const Connection& c) {
  if (!c.inside || !c.story.rule) return nullptr;
  // A fault is for those who have seen it: others were shown a good certificate.
  if (c.inside->mirrored) return c.inside;
  return c.story.rule->inspect;
}

Failure judge_request(Connection& c) {
  const policy::Inspection* const inspection = c.story.rule ? c.story.rule->inspect.get() : nullptr;
  if (!inspection) return Error{Code::kNotInspected};
  const http::ForwardRequest& request = c.forward->request;
  const auto refused = inspection->judge(
      c.story.target, {request.method, request.path, http::field_lines(request),
                       http::body_bytes(http::field_lines(request), request.body)});
  if (!refused) return std::nullopt;
  if (c.config().rules->mode() == policy::Mode::kReport) {
    c.story.would_deny = true;
    return std::nullopt;
  }
  return Error{*refused};
}

Task<Result<OriginShown>> secure_origin(Connection& c, bump::Protocols offered) {
  const bump::InspectorPtr& inspector = c.situation->inspector;
  PENSTOCK_CHECK(inspector);  // wherever a rule inspects
  auto owned = std::make_unique<tls::Session>(
      inspector->origins,
      inspector->origins->make_session(c.story.target, offered, c.story.rule->inspect),
      tls::Session::Side::kClient, c.origin, c.worker.tls_outbox());
  tls::Session& session = *owned;
  c.origin.put_on(std::move(owned));
  const Instant began = c.worker.loop().now();
  const auto shaken = co_await while_client_stays(c, shake_hands(c, session));
  c.story.times.dial.add(began, c.worker.loop().read_clock());
  if (!shaken) {
    const Error failed{of_origin(shaken.error().code), shaken.error().sys_errno};
    if (failed.code != Code::kClientGone) complain(c, failed.facts().word, session.reason());
    co_return std::unexpected(failed);
  }
  bump::Shown shown = bump::Origins::shown(session.ssl());
  OriginShown out{std::move(shown.certificate), nullptr, shown.fault, session.peer().alpn};
  if (shown.fault != X509_V_OK) {
    out.fault = shown.fault == X509_V_ERR_APPLICATION_VERIFICATION
                    ? "it has none of the keys in origin_keys"
                    : X509_verify_cert_error_string(shown.fault);
    complain(c, "its certificate is not good", out.fault);
  }
  co_return out;
}

Task<Result<bool>> join_origin(Connection& c, std::span<const policy::Route> routes) {
  if (!may_share_stream(c) || c.forward->coming) co_return false;
  OriginTrunks& trunks = c.worker.origin_trunks();
  OriginTrunks::StreamPtr stream = trunks.take(c.story.target, routes, trust_of(c));
  if (!stream && c.inside->origin_http2) {
    const Instant deadline = deadline_after(c.worker.loop().now(), c.config().timeouts.dial);
    auto found =
        co_await while_client_stays(c, trunks.seek(c.story.target, routes, trust_of(c), deadline));
    if (!found) co_return std::unexpected(found.error());
    stream = std::move(found->stream);
    c.forward->coming = std::move(found->coming);
  }
  if (!stream) co_return false;
  c.story.route = stream->peer();
  c.forward->reused = true;
  c.story.spare = true;
  become_stream(c, std::move(stream));
  co_return true;
}

void end_joining(Connection& c, const Failure& failure) {
  if (!c.forward->coming) return;
  const bool left = failure && failure->code == Code::kClientGone;
  if (!c.forward->stream && !left) c.forward->coming->fail();
  c.forward->coming = nullptr;
}

Task<Failure> secure_origin_inside(Connection& c) {
  const auto shown =
      co_await secure_origin(c, protocols_of_http(c.inside->offers_http2 && !needs_http1(c)));
  if (!shown) co_return shown.error();
  if (shown->fault) {
    const bool mirrored = c.story.rule->inspect->origin_faults == policy::OriginFaults::kMimic &&
                          c.inside->mirrored == fingerprint_of(shown->certificate.get());
    if (!mirrored) co_return Error{Code::kOriginCertificate};
  }
  if (shown->alpn != "h2") co_return std::nullopt;
  dial::Reached reached{std::move(c.port), std::move(c.origin), c.story.route};
  const bool shared = !shown->fault && c.story.shares_origin();
  become_stream(
      c, c.worker.origin_trunks().open(std::move(reached), c.story.target, trust_of(c), shared));
  co_return std::nullopt;
}

}  // namespace penstock::session
