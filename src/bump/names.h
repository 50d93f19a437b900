// The names in a certificate's subjectAltName.
#pragma once

#include <openssl/x509v3.h>

#include <memory>

#include "tls/owned.h"

namespace penstock::bump {

using OwnedNames = std::unique_ptr<GENERAL_NAMES, tls::FreedBy<GENERAL_NAMES_free>>;

// Null: it has none, or more than one such extension.
inline OwnedNames names_of(const X509* certificate) {
  return OwnedNames(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
}

}  // namespace penstock::bump
