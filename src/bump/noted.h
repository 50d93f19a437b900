// A text that goes with one SSL, for the callbacks of its context. OpenSSL frees it with the SSL.
// Thread: the SSL's.
#pragma once

#include <openssl/ssl.h>

#include <string>

namespace penstock::bump {

void note(SSL* ssl, std::string text);
const std::string& noted(const SSL* ssl);  // empty: nothing was

}  // namespace penstock::bump
