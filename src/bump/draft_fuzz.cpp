// Whatever is sent to the key keeper: what its reader lets pass is the same to OpenSSL, if that
// reads it at all.
#include <cstdint>
#include <cstdlib>

#include "base/bytes.h"
#include "bump/draft.h"
#include "bump/openssl_reading.h"

namespace {

using namespace penstock;
using namespace penstock::bump;

void insist(bool condition) {
  if (!condition) std::abort();
}

std::string_view text_of(const ASN1_STRING* string) {
  return penstock::text_of(
      {ASN1_STRING_get0_data(string), static_cast<size_t>(ASN1_STRING_length(string))});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto fields = read_draft({data, size});
  if (!fields) return 0;
  const auto leaf = openssl_reads(penstock::text_of({data, size}));
  if (!leaf) return 0;
  insist(X509_get_version(leaf.get()) == X509_VERSION_3);
  insist(text_of(X509_get0_serialNumber(leaf.get())) == penstock::text_of(fields->serial));
  insist(der_by<const X509_NAME>(i2d_X509_NAME, X509_get_issuer_name(leaf.get())) ==
         penstock::text_of(fields->issuer));
  insist(der_by<const X509_NAME>(i2d_X509_NAME, X509_get_subject_name(leaf.get())) ==
         penstock::text_of(fields->subject));
  insist(der_by<const X509_PUBKEY>(i2d_X509_PUBKEY, X509_get_X509_PUBKEY(leaf.get())) ==
         penstock::text_of(fields->key));
  // Another one of the kind may stand before it, which the keeper does not sign.
  if (const OwnedNames names = names_of(leaf.get())) {
    insist(sk_GENERAL_NAME_num(names.get()) == fields->names);
    for (int i = 0; i < fields->names; ++i) {
      const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
      insist(name->type == GEN_DNS ? is_host_text(text_of(name->d.dNSName))
                                   : name->type == GEN_IPADD);
    }
  }
  return 0;
}
