// The parts of asking a parent: what stands in front of the asking, and the other way to ask.
// Thread: the worker's.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/error.h"
#include "http/proxy_url.h"
#include "loop/loop.h"
#include "loop/task.h"
#include "session/connection.h"

namespace penstock::session {

// The TLS handshake with `parent`. Behind it c.origin speaks TLS; a failure is told in
// c.story.parent and to whoever runs the proxy.
loop::Task<std::optional<Error>> secure_parent(Connection& c, const http::ProxyUrl& parent,
                                               loop::Timer& timer);

// Says all of `words`, or kParentTimeout, or kParentProtocol.
loop::Task<Result<void>> tell_parent(Connection& c, std::string_view words, loop::Timer& timer);
// What `parent` has said, or says until `timer` expires: at most one buffer of the relay's, in
// which it stands until the next wait.
loop::Task<Result<std::span<const uint8_t>>> hear_parent(Connection& c,
                                                         const http::ProxyUrl& parent,
                                                         loop::Timer& timer);
// What reading c.origin has failed with: kParentAlert where the parent ended TLS by an alert.
Error parent_read_failure(Connection& c, const http::ProxyUrl& parent, int sys_errno);

// Asks by SOCKS5 (RFC 1928), as the user that `parent` names (RFC 1929) or as nobody.
loop::Task<Result<void>> ask_by_socks(Connection& c, const http::ProxyUrl& parent,
                                      loop::Timer& timer);

}  // namespace penstock::session
