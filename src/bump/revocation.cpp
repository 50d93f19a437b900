#include "bump/revocation.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <memory>

#include "identity/read_file.h"
#include "tls/owned.h"

namespace penstock::bump {
namespace {

using OwnedList = std::unique_ptr<X509_CRL, tls::FreedBy<X509_CRL_free>>;

// The lists of large authorities are of some megabytes each.
constexpr size_t kListsBytesMax = size_t{64} * 1024 * 1024;

// Called for each finding of a verification.
int on_finding(int good, X509_STORE_CTX* context) {
  if (good == 1 || X509_STORE_CTX_get_error(context) != X509_V_ERR_UNABLE_TO_GET_CRL) return good;
  X509_STORE_CTX_set_error(context, X509_V_OK);
  return 1;
}

bool blame(const Located<std::string>& file, const std::string& what, Faults& faults) {
  faults.push_back({file.place, "inspection.origin_crl: " + file.value + " " + what});
  return false;
}

}  // namespace

bool add_revocation_lists(const Located<std::string>& file, X509_STORE* to, Faults& faults) {
  const auto text = identity::read_file(file.value, kListsBytesMax);
  if (!text) return blame(file, text.error(), faults);
  const tls::OwnedBio bytes(BIO_new_mem_buf(text->data(), static_cast<int>(text->size())));
  int count = 0;
  while (const OwnedList list{PEM_read_bio_X509_CRL(bytes.get(), nullptr, nullptr, nullptr)}) {
    X509_STORE_add_crl(to, list.get());
    ++count;
  }
  const bool whole = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!whole) return blame(file, "has a damaged list, number " + std::to_string(count + 1), faults);
  if (count == 0) {
    return blame(file,
                 "has no revocation list in PEM form (-----BEGIN X509 CRL-----; from DER: "
                 "openssl crl -inform DER -in FILE -out FILE)",
                 faults);
  }
  X509_STORE_set_flags(to, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  X509_STORE_set_verify_cb(to, on_finding);
  return true;
}

}  // namespace penstock::bump
