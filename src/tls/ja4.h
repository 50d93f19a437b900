// JA4, the fingerprint of a TLS client (FoxIO, 2023, technical_details/JA4.md): which version, how
// many cipher suites and extensions it offers and which ones, whatever their order and without the
// GREASE (RFC 8701) that changes each time. Programs that use the same library in the same way
// share one, so it says what a client is built from and not who it is. Pure.   Cost: two sorts and
// two SHA-256 of what the ClientHello lists.
#pragma once

#include <string>

#include "tls/client_hello.h"

namespace penstock::tls {

// "t13d1516h2_8daaf6152771_e5627efa2ab1", always of that length. `hello` is a complete one.
std::string ja4(const ClientHello& hello);

}  // namespace penstock::tls
