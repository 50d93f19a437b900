// What goes with one SSL, for the callbacks of its context. OpenSSL frees it with the SSL.
// Thread: the SSL's.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "policy/inspection.h"

namespace penstock::bump {

struct Noted {
  std::string text;
  std::shared_ptr<const policy::Inspection> rule = nullptr;  // of an origin's
};

void note(SSL* ssl, Noted what);
const Noted& noted(const SSL* ssl);  // empty: nothing was

}  // namespace penstock::bump
