#include <string>
#include <utility>

#include "base/check.h"
#include "session/parent_ways.h"

namespace penstock::session {
namespace {

// `side` of what went wrong is the parent's; who can mend it is whoever runs this proxy.
void complain(Connection& c, const Error& failed) {
  ParentNotes& notes = *c.story.parent;
  notes.fit = false;
  std::string said = "parent " + notes.authority + ": " + std::string(failed.facts().word);
  if (notes.reason) said.append(": ").append(notes.reason);
  c.worker.trouble().say(observe::Level::kWarning, said);
}

}  // namespace

loop::Task<std::optional<Error>> secure_parent(Connection& c, const http::ProxyUrl& parent,
                                               loop::Timer& timer) {
  PENSTOCK_CHECK(c.situation->parents_tls);  // wherever a rule has such a parent
  auto session = std::make_unique<tls::Session>(c.situation->parents_tls, parent.authority,
                                                c.origin, c.worker.tls_outbox());
  auto failed = co_await tls::shake_hands(*session, c.origin, timer);
  Metrics& metrics = c.worker.metrics();
  if (failed) {
    if (failed->code == Code::kTlsTimeout) failed = Error{Code::kParentTimeout};
    metrics.parent_handshakes_failed.add();
    c.story.parent->reason = session->reason();
    complain(c, *failed);
    co_return failed;
  }
  metrics.parent_handshakes[session->resumed() ? 1 : 0].add();
  c.story.parent->tls = session->version();
  c.story.parent->fit = true;
  c.origin.put_on(std::move(session));
  co_return std::nullopt;
}

// With TLS 1.3 a parent looks at our certificate when we take the handshake to be done already.
Error parent_read_failure(Connection& c, const http::ProxyUrl& parent, int sys_errno) {
  const Error broken{Code::kParentProtocol, sys_errno};
  if (!parent.secure()) return broken;
  // SAFETY: secure_parent() has put it there.
  const auto& session = static_cast<const tls::Session&>(*c.origin.transport());
  c.story.parent->reason = session.reason();
  if (!session.alerted()) return broken;
  const Error failed{Code::kParentAlert};
  complain(c, failed);
  return failed;
}

}  // namespace penstock::session
