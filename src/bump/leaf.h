// The certificate that an inspected client is shown: what the origin's says, for a key of ours. Its
// faults are mirrored too; none is made to look good.
// Thread: any, once made.   Cost: some 30 us.
#pragma once

#include <openssl/x509_vfy.h>

#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bump/dates.h"
#include "bump/form.h"
#include "bump/leaf_key.h"
#include "tls/owned.h"

namespace penstock::bump {

// What a leaf is asked for.
struct Wish {
  std::string name;                // whom the client asked for: a host name, or an address as text
  tls::OwnedCertificate origin{};  // what the origin showed; null: a certificate for `name` alone
  long fault = X509_V_OK;          // what is wrong with it, as OpenSSL says it
};

// Whether `certificate` is for `name`, a host name or an address.
bool covers(X509* certificate, const std::string& name);

class Engraver {
 public:
  // `issuer`: whose key will sign.
  explicit Engraver(const X509* issuer);

  struct Draft {
    tls::OwnedCertificate certificate;
    std::string tbs;  // for the issuer to sign; empty: nobody has signed it, whom anybody trusts
  };
  // A wish with a fault gets a certificate that has it for whoever looks: its dates where those are
  // wrong, its names where those are, and whatever else is wrong an issuer that nobody knows.
  // Nothing: it is said to be good and is not for its name or not of this time, or the issuer's
  // time is over.
  std::optional<Draft> draft(const Wish& wish, time_t now) const;

  // Makes it whole. False: OpenSSL has no memory.
  bool put_signature(Draft& draft, std::string_view signature) const;

 private:
  tls::OwnedCertificate engrave(bool by_issuer, const Wish& wish, const Dates& dates,
                                bool name_alone) const;
  tls::OwnedCertificate by_issuer(const Wish& wish, const Dates& dates) const;
  std::optional<Dates> dates_for(const Wish& wish, time_t now) const;
  bool permits(X509* leaf) const;
  void sign_by_nobody(X509* leaf) const;
  const EVP_PKEY* signer() const { return X509_get0_pubkey(issuer_.get()); }

  const tls::OwnedCertificate issuer_;
  const Dates issuer_dates_;
  const tls::OwnedKey key_;
  const tls::OwnedKey nobody_;  // the key of an issuer that is no one's
  const OwnedName nobodys_name_;
  std::vector<OwnedExtension> of_issuer_;
  std::vector<OwnedExtension> of_nobody_;
};

}  // namespace penstock::bump
