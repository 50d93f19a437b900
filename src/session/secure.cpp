#include "session/secure.h"

#include <string.h>

#include <string>
#include <utility>

#include "session/hear.h"
#include "tls/kernel.h"

namespace penstock::session {

loop::Task<std::optional<Error>> secure(Connection& c) {
  loop::Loop& loop = c.worker.loop();
  const Instant began = c.story.accepted;
  // A ClientHello, or a part of it, may have come along with a header of the PROXY protocol.
  auto session = std::make_unique<tls::Session>(c.tls_context(), c.client, c.worker.tls_outbox(),
                                                std::exchange(c.early, {}));
  loop::Timer timer(loop);
  timer.arm(head_deadline(c));
  const auto failed = co_await tls::shake_hands(*session, c.client, timer);
  const Duration took = loop.read_clock() - began;
  c.worker.metrics().tls.record(took);
  if (failed) co_return failed;
  c.secured = std::make_unique<tls::Peer>(session->peer());
  c.secured->took = took;
  c.worker.metrics()
      .handshakes[c.secured->resumed ? 1 : 0][c.secured->version == TLS1_3_VERSION ? 1 : 0]
      .add();
  c.client.put_on(std::move(session));
  co_return std::nullopt;
}

void hand_to_kernel(Connection& c) {
  const auto context = c.tls_context();
  if (!c.secured || c.client.fd() < 0 || !context) return;  // without a socket: of HTTP/2
  const auto handed = tls::hand_over(c.client, context->kernel_offer(), c.early);
  c.secured->kernel = handed.done;
  c.worker.metrics().tls_tunnels[handed.done ? 1 : 0].add();
  if (handed.refused == 0) return;
  c.worker.trouble().say(
      observe::Level::kInfo,
      std::string("the kernel does not take over ") + c.secured->cipher + " (" +
          ::strerrordesc_np(handed.refused) +
          "): such tunnels are copied; for a kernel that can, load its module tls, then reload");
}

}  // namespace penstock::session
