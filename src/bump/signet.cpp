#include "bump/signet.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/check.h"
#include "bump/dates.h"
#include "bump/der.h"
#include "bump/draft.h"
#include "bump/form.h"
#include "bump/signing_key.h"
#include "identity/read_file.h"

namespace penstock::bump {
namespace {

constexpr size_t kKeyFileBytesMax = 1024 * 1024;
constexpr int kSecurityBitsMin = 112;  // RSA with 2048 bits, any curve of 224

constexpr size_t kSignatureBytesMax = 1024;  // of RSA with 8192 bits

using OwnedAlgorithm = std::unique_ptr<X509_ALGOR, tls::FreedBy<X509_ALGOR_free>>;
using OwnedDigest = std::unique_ptr<EVP_MD_CTX, tls::FreedBy<EVP_MD_CTX_free>>;
using OwnedTime = std::unique_ptr<ASN1_TIME, tls::FreedBy<ASN1_TIME_free>>;

std::unexpected<Signet::Fault> fault(KeyFile file, std::string what) {
  return std::unexpected(Signet::Fault{file, std::move(what)});
}

std::expected<tls::OwnedCertificate, Signet::Fault> read_certificate(const std::string& path) {
  const auto text = identity::read_file(path, kKeyFileBytesMax);
  if (!text) return fault(KeyFile::kCa, text.error());
  const tls::OwnedBio bytes(BIO_new_mem_buf(text->data(), static_cast<int>(text->size())));
  tls::OwnedCertificate out(PEM_read_bio_X509(bytes.get(), nullptr, nullptr, nullptr));
  if (!out) {
    return fault(KeyFile::kCa, "has no certificate in PEM form (-----BEGIN CERTIFICATE-----)");
  }
  return out;
}

std::expected<tls::OwnedKey, Signet::Fault> read_key(const KeyFiles& files) {
  const auto passphrase = read_passphrase(files.passphrase_file);
  if (!passphrase) return fault(KeyFile::kPassphrase, passphrase.error());
  auto key = open_signing_key(files.key, *passphrase);
  if (!key) return fault(KeyFile::kKey, key.error());
  return std::move(*key);
}

std::string warning_of(const std::string& path) {
  struct stat facts{};
  if (::stat(path.c_str(), &facts) != 0 || (facts.st_mode & (S_IRWXG | S_IRWXO)) == 0) return {};
  return "can be read by others than its owner; chmod 600 it";
}

OwnedAlgorithm new_algorithm(const EVP_PKEY* key) {
  OwnedAlgorithm out(X509_ALGOR_new());
  PENSTOCK_CHECK(out);
  if (!set_algorithm(out.get(), key)) out.reset();
  return out;
}

std::optional<Dates> dates_of(const DraftFields& draft) {
  std::array<std::optional<time_t>, 2> out;
  for (size_t i = 0; i < 2; ++i) {
    const unsigned char* bytes = draft.validity[i].data();
    const OwnedTime time(
        d2i_ASN1_TIME(nullptr, &bytes, static_cast<long>(draft.validity[i].size())));
    if (time) out[i] = seconds_of(time.get());
  }
  if (!out[0] || !out[1]) return std::nullopt;
  return Dates{*out[0], *out[1]};
}

// RFC 5280 section 4.2.1.2: SHA-1, of whatever; it helps to find an issuer, which no leaf is.
bool has_subject_key_id(std::string_view extension) {
  constexpr std::string_view kHead("\x30\x1d\x06\x03\x55\x1d\x0e\x04\x16\x04\x14", 11);
  return extension.size() == kHead.size() + 20 && extension.starts_with(kHead);
}

}  // namespace

std::expected<Signet, Signet::Fault> Signet::open(const KeyFiles& files, std::string* warning) {
  auto certificate = read_certificate(files.ca);
  if (!certificate) return std::unexpected(std::move(certificate).error());
  auto key = read_key(files);
  ERR_clear_error();
  if (!key) return std::unexpected(std::move(key).error());
  if (X509_check_private_key(certificate->get(), key->get()) != 1) {
    ERR_clear_error();
    return fault(KeyFile::kKey, "does not belong to the first certificate in " + files.ca);
  }
  if (EVP_PKEY_get_security_bits(key->get()) < kSecurityBitsMin ||
      EVP_PKEY_get_size(key->get()) > static_cast<int>(kSignatureBytesMax)) {
    return fault(KeyFile::kKey,
                 "is too short to be safe, or endless; P-256 is best, and RSA takes "
                 "2048 to 8192 bits");
  }
  if (!new_algorithm(key->get())) {
    return fault(KeyFile::kKey,
                 "is of a kind that is not taken: there are EC (P-256 is best), RSA "
                 "and Ed25519");
  }
  *warning = warning_of(files.key);
  return Signet(std::move(*certificate), std::move(*key));
}

Signet::Signet(tls::OwnedCertificate certificate, tls::OwnedKey key)
    : certificate_(std::move(certificate)), key_(std::move(key)) {
  issuer_ = der_by<const X509_NAME>(i2d_X509_NAME, X509_get_subject_name(certificate_.get()));
  algorithm_ = der_by<const X509_ALGOR>(i2d_X509_ALGOR, new_algorithm(key_.get()).get());
  for (const auto& extension : fixed_extensions(certificate_.get())) {
    extensions_ += der_by<const X509_EXTENSION>(i2d_X509_EXTENSION, extension.get());
  }
  public_key_ =
      der_by<const X509_PUBKEY>(i2d_X509_PUBKEY, X509_get_X509_PUBKEY(certificate_.get()));
}

const char* Signet::why_not(std::string_view draft) const {
  const auto fields = read_draft(bytes_of(draft));
  if (!fields) return "it is no leaf of ours";
  if (text_of(fields->issuer) != issuer_) return "its issuer is another";
  if (text_of(fields->algorithm) != algorithm_) return "it is to be signed in another way";
  const std::string_view extensions = text_of(fields->extensions);
  if (!extensions.starts_with(extensions_) ||
      !has_subject_key_id(extensions.substr(extensions_.size()))) {
    return "its extensions are not those of a leaf";
  }
  const unsigned char* bytes = fields->subject.data();
  const OwnedName subject(
      d2i_X509_NAME(nullptr, &bytes, static_cast<long>(fields->subject.size())));
  if (!subject) return "its subject cannot be read";
  if (X509_NAME_cmp(subject.get(), X509_get_subject_name(certificate_.get())) == 0) {
    return "its subject is its issuer";
  }
  if (text_of(fields->key) == public_key_) return "its key is the owner's";
  const auto dates = dates_of(*fields);
  const auto limit = bump::dates_of(certificate_.get());
  if (!dates || !limit || dates->from > dates->until) return "its dates make no sense";
  if (dates->until - dates->from > kValidityMax) return "it is valid for more than 398 days";
  if (dates->until > limit->until) return "it is valid for longer than its issuer";
  return nullptr;
}

std::expected<std::string, const char*> Signet::sign(std::string_view draft) const {
  const char* const reason = why_not(draft);
  ERR_clear_error();
  if (reason) return std::unexpected(reason);
  const OwnedDigest digest(EVP_MD_CTX_new());
  const bool hashes_itself = EVP_PKEY_is_a(key_.get(), "ED25519") == 1;
  std::array<unsigned char, kSignatureBytesMax> out;
  size_t size = out.size();
  const bool made =
      EVP_DigestSignInit(digest.get(), nullptr, hashes_itself ? nullptr : EVP_sha256(), nullptr,
                         key_.get()) == 1 &&
      EVP_DigestSign(digest.get(), out.data(), &size, bytes_of(draft).data(), draft.size()) == 1;
  ERR_clear_error();
  if (!made) return std::unexpected("OpenSSL fails to sign it");
  return std::string(text_of({out.data(), size}));
}

}  // namespace penstock::bump
