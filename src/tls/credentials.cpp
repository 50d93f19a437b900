#include "tls/credentials.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "base/ascii.h"
#include "tls/asn1.h"

namespace penstock::tls {
namespace {

constexpr size_t kFileBytesMax = 1024 * 1024;
constexpr int kSoonDays = 14;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using OwnedNames = std::unique_ptr<GENERAL_NAMES, FreedBy<GENERAL_NAMES_free>>;
using OwnedResponse = std::unique_ptr<OCSP_RESPONSE, FreedBy<OCSP_RESPONSE_free>>;
using OwnedBasic = std::unique_ptr<OCSP_BASICRESP, FreedBy<OCSP_BASICRESP_free>>;
using OwnedId = std::unique_ptr<OCSP_CERTID, FreedBy<OCSP_CERTID_free>>;

// One file, and where its faults go.
class Reading {
 public:
  Reading(const Located<std::string>& file, std::string path, Faults& faults)
      : file_(file), path_(std::move(path)), faults_(faults) {}

  void blame(const std::string& what) { blame(what, faults_); }
  void blame(const std::string& what, Faults& faults) const {
    faults.push_back({file_.place, path_ + ": " + file_.value + " " + what});
  }

  std::optional<std::string> read() {
    const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(file_.value.c_str(), "re"));
    if (!file) {
      const int error = errno;
      std::string advice;
      if (error == EACCES) advice = "; let the user that penstock runs as read it";
      blame(std::string("cannot be read: ") + std::strerror(error) + advice);
      return std::nullopt;
    }
    std::string text(kFileBytesMax + 1, '\0');
    errno = 0;
    text.resize(std::fread(text.data(), 1, text.size(), file.get()));
    if (std::ferror(file.get()) != 0) {
      blame(std::string("cannot be read: ") + std::strerror(errno));
      return std::nullopt;
    }
    if (text.size() > kFileBytesMax) {
      blame("is larger than 1 MiB");
      return std::nullopt;
    }
    return text;
  }

  bool open_to_all() const {
    struct stat facts{};
    return ::stat(file_.value.c_str(), &facts) == 0 && (facts.st_mode & S_IROTH) != 0;
  }

 private:
  const Located<std::string>& file_;
  const std::string path_;
  Faults& faults_;
};

OwnedBio bio_of(const std::string& text) {
  return OwnedBio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// OpenSSL would ask the terminal.
int no_passphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

OwnedKey read_key(const config::Certificate& files, const std::string& path, Faults& faults,
                  Faults& warnings) {
  Reading reading(files.key, path + ".key", faults);
  auto text = reading.read();
  if (!text) return {};
  if (reading.open_to_all()) {
    reading.blame("can be read by everybody on this machine; chmod o-r it", warnings);
  }
  bool encrypted = false;
  OwnedKey key(PEM_read_bio_PrivateKey(bio_of(*text).get(), nullptr, no_passphrase, &encrypted));
  OPENSSL_cleanse(text->data(), text->size());
  ERR_clear_error();
  if (!key) {
    reading.blame(encrypted ? "has a passphrase, and nobody is there to say it; penstock takes a "
                              "key without one (openssl pkey -in FILE -out FILE)"
                            : "has no private key in PEM form (-----BEGIN PRIVATE KEY-----)");
  }
  return key;
}

std::vector<std::string> names_of(const X509* certificate) {
  std::vector<std::string> out;
  const OwnedNames names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  const int count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS) continue;
    out.push_back(lower(string_of(name->d.dNSName)));
  }
  return out;
}

bool names_an_address(const X509* certificate) {
  const OwnedNames names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  const int count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
  for (int i = 0; i < count; ++i) {
    if (sk_GENERAL_NAME_value(names.get(), i)->type == GEN_IPADD) return true;
  }
  return false;
}

std::string date_of(const ASN1_TIME* time) {
  tm when{};
  char text[32];
  if (ASN1_TIME_to_tm(time, &when) != 1) return "an unreadable date";
  return {text, std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &when)};
}

void judge_dates(const X509* certificate, const Reading& reading, ShownTo shown_to,
                 Faults& warnings) {
  const std::string refused =
      shown_to == ShownTo::kClients ? ": clients will refuse it; " : ": parents will refuse it; ";
  const ASN1_TIME* const from = X509_get0_notBefore(certificate);
  const ASN1_TIME* const until = X509_get0_notAfter(certificate);
  if (X509_cmp_current_time(from) > 0) {
    return reading.blame(
        "is not valid before " + date_of(from) + refused + "is this machine's clock right?",
        warnings);
  }
  if (X509_cmp_current_time(until) <= 0) {
    return reading.blame("has expired on " + date_of(until) + refused + "renew it and send SIGHUP",
                         warnings);
  }
  time_t soon = std::time(nullptr) + time_t{kSoonDays} * 24 * 3600;
  if (X509_cmp_time(until, &soon) <= 0) {
    reading.blame("expires on " + date_of(until) + "; renew it and send SIGHUP", warnings);
  }
}

// Whether `basic` speaks of the leaf, and until when: nothing, and said, where it does not.
std::optional<time_t> staple_until(OCSP_BASICRESP* basic, const Credentials& credentials,
                                   Reading& reading, Faults& warnings) {
  const X509* const issuer =
      credentials.chain.empty() ? credentials.certificate.get() : credentials.chain[0].get();
  const OwnedId id(OCSP_cert_to_id(nullptr, credentials.certificate.get(), issuer));
  int status = 0;
  int reason = 0;
  ASN1_GENERALIZEDTIME* from = nullptr;
  ASN1_GENERALIZEDTIME* until = nullptr;
  if (!id ||
      OCSP_resp_find_status(basic, id.get(), &status, &reason, nullptr, &from, &until) != 1) {
    reading.blame(
        "speaks of another certificate; with its issuer's certificate behind it in the "
        "certificate file, ask for it anew (openssl ocsp -respout)");
    return std::nullopt;
  }
  if (status != V_OCSP_CERTSTATUS_GOOD) {
    reading.blame(std::string("says that the certificate is ") + OCSP_cert_status_str(status) +
                      ": clients will refuse it",
                  warnings);
  }
  if (!until) return std::time(nullptr) + 24 * 3600;  // newer is to be had at any time
  tm when{};
  if (ASN1_TIME_to_tm(until, &when) != 1) return 0;
  if (X509_cmp_current_time(until) <= 0) {
    reading.blame("has been out of date since " + date_of(until) +
                      " and is not sent; fetch it anew and send SIGHUP",
                  warnings);
  }
  return ::timegm(&when);
}

void read_staple(const config::Certificate& files, const std::string& path, Faults& faults,
                 Faults& warnings, Credentials& out) {
  if (files.staple.value.empty()) return;
  Reading reading(files.staple, path + ".staple", faults);
  auto text = reading.read();
  if (!text) return;
  // SAFETY: chars are bytes.
  const auto* bytes = reinterpret_cast<const unsigned char*>(text->data());
  const OwnedResponse response(d2i_OCSP_RESPONSE(nullptr, &bytes, static_cast<long>(text->size())));
  const OwnedBasic basic(response ? OCSP_response_get1_basic(response.get()) : nullptr);
  ERR_clear_error();
  if (!basic) {
    return reading.blame("is no OCSP response in DER form (openssl ocsp -respout writes one)");
  }
  if (const auto until = staple_until(basic.get(), out, reading, warnings)) {
    out.staple_until = *until;
    out.staple = std::move(*text);
  }
}

}  // namespace

std::vector<OwnedCertificate> read_certificates(const Located<std::string>& file,
                                                const std::string& path, Faults& faults,
                                                std::string* text) {
  std::vector<OwnedCertificate> out;
  Reading reading(file, path, faults);
  const auto read = reading.read();
  if (!read) return out;
  if (text) *text = *read;
  const OwnedBio bio = bio_of(*read);
  while (OwnedCertificate next{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    out.push_back(std::move(next));
  }
  // Behind the last one there is none; anything else is a certificate that cannot be read.
  const bool whole = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!whole) {
    reading.blame("has a damaged certificate, number " + std::to_string(out.size() + 1));
    out.clear();
  } else if (out.empty()) {
    reading.blame("has no certificate in PEM form (-----BEGIN CERTIFICATE-----)");
  }
  return out;
}

std::optional<Credentials> read_credentials(const config::Certificate& files,
                                            const std::string& path, Faults& faults,
                                            Faults& warnings, ShownTo shown_to) {
  const size_t faults_before = faults.size();
  Credentials out;
  out.chain = read_certificates(files.certificate, path + ".certificate", faults);
  out.key = read_key(files, path, faults, warnings);
  if (faults.size() != faults_before) return std::nullopt;
  out.certificate = std::move(out.chain.front());
  out.chain.erase(out.chain.begin());
  const X509* const leaf = out.certificate.get();
  Reading reading(files.certificate, path + ".certificate", faults);
  if (X509_check_private_key(leaf, out.key.get()) != 1) {
    ERR_clear_error();
    reading.blame("does not belong to the key in " + files.key.value +
                  "; the first certificate of the file must be the proxy's own, its issuers come "
                  "behind it");
    return std::nullopt;
  }
  out.names = names_of(leaf);
  if (shown_to == ShownTo::kClients && out.names.empty() && !names_an_address(leaf)) {
    reading.blame("names no host (subjectAltName): clients will refuse it", warnings);
  }
  judge_dates(leaf, reading, shown_to, warnings);
  read_staple(files, path, faults, warnings, out);
  if (faults.size() != faults_before) return std::nullopt;
  return out;
}

}  // namespace penstock::tls
