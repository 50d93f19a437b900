#include "bump/authority.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <utility>

#include "base/counted.h"
#include "bump/dates.h"
#include "bump/facts.h"
#include "tls/credentials.h"

namespace penstock::bump {
namespace {

bool is_issuer(X509* certificate) {
  return X509_check_ca(certificate) == 1 &&
         (X509_get_key_usage(certificate) & KU_KEY_CERT_SIGN) != 0;
}

tls::OwnedCertificate shared(const tls::OwnedCertificate& certificate) {
  X509_up_ref(certificate.get());
  return tls::OwnedCertificate(certificate.get());
}

// Those behind the first: what is cross-signed for it, and who signed that.
void judge_rest(const std::vector<tls::OwnedCertificate>& certificates, const std::string& name,
                Place place, Faults& faults, Faults& warnings) {
  const time_t now = std::time(nullptr);
  for (size_t i = 1; i < certificates.size(); ++i) {
    X509* const certificate = certificates[i].get();
    const std::string which = name + "certificate number " + std::to_string(i + 1) + ", " +
                              subject_of(certificate) + ", ";
    if (!is_issuer(certificate)) {
      faults.push_back({place, which + "is no certification authority, and has no place in it"});
      continue;
    }
    // The first two are one authority, by two issuers, where the first is a root.
    X509* const before = certificates[i - 1].get();
    const bool fits =
        i == 1 && signs_itself(before)
            ? X509_NAME_cmp(X509_get_subject_name(before), X509_get_subject_name(certificate)) ==
                      0 &&
                  EVP_PKEY_eq(X509_get0_pubkey(before), X509_get0_pubkey(certificate)) == 1
            : X509_check_issued(certificate, before) == X509_V_OK;
    if (!fits) {
      faults.push_back(
          {place, which +
                      "does not belong behind the one before it; first comes the issuer of leaves, "
                      "behind it the same authority signed by another, then that other one"});
    }
    if (valid_until(certificate) <= now) {
      warnings.push_back({place, which + "has expired on " + date_of(valid_until(certificate)) +
                                     "; take it out of the file"});
    }
  }
  ERR_clear_error();
}

}  // namespace

Judgement judge_issuer(X509* certificate, time_t now) {
  Judgement out;
  if (!is_issuer(certificate)) {
    out.faults.emplace_back(
        "is no certification authority: it takes basicConstraints CA:TRUE and keyUsage keyCertSign "
        "(penstock ca init makes one)");
  }
  const EVP_PKEY* const key = X509_get0_pubkey(certificate);
  const int bits = key ? EVP_PKEY_get_security_bits(key) : 0;
  if (bits < kAuthoritySecurityBits) {
    out.faults.push_back("has a weak key (" + key_of(certificate) +
                         "): clients refuse it; P-256 is right, or RSA of 2048 bits and more");
  }
  const time_t from = valid_from(certificate);
  const time_t until = valid_until(certificate);
  if (from > now) {
    out.faults.push_back("is not valid before " + date_of(from) +
                         ": clients will refuse it; is this machine's clock right?");
  } else if (until <= now) {
    out.faults.push_back("has expired on " + date_of(until) +
                         ": clients refuse whatever it signs; make another (penstock ca init) and "
                         "let clients trust that");
  } else if (until - now < kAuthoritySoonDays * kDay) {
    const auto days = static_cast<uint64_t>((until - now) / kDay);
    out.warnings.push_back("expires in " + counted(days, "day") + ", on " + date_of(until) +
                           "; rotate it (penstock ca rotate) while clients still trust it");
  }
  ERR_clear_error();
  return out;
}

std::optional<Authority> read_authority(const Located<std::string>& file, const std::string& path,
                                        Faults& faults, Faults& warnings) {
  const size_t faults_before = faults.size();
  auto certificates = tls::read_certificates(file, path, faults);
  if (certificates.empty()) return std::nullopt;
  const std::string name = path + ": " + file.value + " ";
  const Judgement judgement = judge_issuer(certificates.front().get(), std::time(nullptr));
  for (const auto& what : judgement.faults) faults.push_back({file.place, name + what});
  for (const auto& what : judgement.warnings) warnings.push_back({file.place, name + what});
  judge_rest(certificates, path + ": " + file.value + ": ", file.place, faults, warnings);
  if (faults.size() != faults_before) return std::nullopt;

  Authority out;
  out.issuer = shared(certificates.front());
  const bool hidden = certificates.size() > 1 && signs_itself(out.issuer.get());
  for (size_t i = hidden ? 1 : 0; i < certificates.size(); ++i) {
    out.shown.push_back(std::move(certificates[i]));
  }
  return out;
}

}  // namespace penstock::bump
