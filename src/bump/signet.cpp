#include "bump/signet.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "base/secret.h"
#include "bump/dates.h"
#include "bump/der.h"
#include "bump/names.h"
#include "identity/read_file.h"

namespace penstock::bump {
namespace {

constexpr size_t kFileBytesMax = 1024 * 1024;
constexpr size_t kPassphraseBytesMax = 1024;
constexpr int kSecurityBitsMin = 112;  // RSA with 2048 bits, any curve of 224

using OwnedSerial = std::unique_ptr<BIGNUM, tls::FreedBy<BN_free>>;

std::unexpected<Signet::Fault> fault(KeyFile file, std::string what) {
  return std::unexpected(Signet::Fault{file, std::move(what)});
}

tls::OwnedBio bio_of(const std::string& text) {
  return tls::OwnedBio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

struct Passphrase {
  std::string text;  // wiped by whoever holds it
  bool asked = false;
};

// OpenSSL would ask the terminal.
int say_passphrase(char* buffer, int size, int, void* passphrase) {
  auto& [text, asked] = *static_cast<Passphrase*>(passphrase);
  asked = true;
  if (text.empty() || text.size() > static_cast<size_t>(size)) return -1;
  std::ranges::copy(text, buffer);
  return static_cast<int>(text.size());
}

std::expected<tls::OwnedCertificate, Signet::Fault> read_certificate(const std::string& path) {
  const auto text = identity::read_file(path, kFileBytesMax);
  if (!text) return fault(KeyFile::kCa, text.error());
  tls::OwnedCertificate out(PEM_read_bio_X509(bio_of(*text).get(), nullptr, nullptr, nullptr));
  if (!out) {
    return fault(KeyFile::kCa, "has no certificate in PEM form (-----BEGIN CERTIFICATE-----)");
  }
  return out;
}

std::expected<tls::OwnedKey, Signet::Fault> read_key(const KeyFiles& files) {
  Passphrase passphrase;
  if (!files.passphrase_file.empty()) {
    auto text = identity::read_file(files.passphrase_file, kPassphraseBytesMax);
    if (!text) return fault(KeyFile::kPassphrase, text.error());
    passphrase.text = text->substr(0, text->find_first_of("\r\n"));
    wipe(*text);
    if (passphrase.text.empty()) return fault(KeyFile::kPassphrase, "has an empty first line");
  }
  auto text = identity::read_file(files.key, kFileBytesMax);
  if (!text) return fault(KeyFile::kKey, text.error());
  tls::OwnedKey key(
      PEM_read_bio_PrivateKey(bio_of(*text).get(), nullptr, say_passphrase, &passphrase));
  wipe(*text);
  const bool had_none = passphrase.text.empty();
  wipe(passphrase.text);
  if (key) return key;
  if (!passphrase.asked) {
    return fault(KeyFile::kKey, "has no private key in PEM form (-----BEGIN PRIVATE KEY-----)");
  }
  if (had_none) {
    return fault(KeyFile::kKey, "has a passphrase; name the file with it in passphrase_file");
  }
  return fault(KeyFile::kPassphrase, "does not have the passphrase of the key in " + files.key);
}

std::string warning_of(const std::string& path) {
  struct stat facts{};
  if (::stat(path.c_str(), &facts) != 0 || (facts.st_mode & (S_IRWXG | S_IRWXO)) == 0) return {};
  return "can be read by others than its owner; chmod 600 it";
}

// What a leaf is made of, each of it once. Not all of it has to be there, see below.
bool knows_all_extensions(const X509* draft) {
  constexpr std::array kKnown{NID_basic_constraints,
                              NID_key_usage,
                              NID_ext_key_usage,
                              NID_subject_alt_name,
                              NID_authority_key_identifier,
                              NID_subject_key_identifier};
  std::array<bool, kKnown.size()> seen{};
  for (int i = 0; i < X509_get_ext_count(draft); ++i) {
    const int nid = OBJ_obj2nid(X509_EXTENSION_get_object(X509_get_ext(draft, i)));
    const auto found = std::ranges::find(kKnown, nid);
    if (found == kKnown.end()) return false;
    bool& before = seen[static_cast<size_t>(found - kKnown.begin())];
    if (before) return false;
    before = true;
  }
  return true;
}

bool has_good_names(const X509* draft) {
  const OwnedNames names = names_of(draft);
  const int count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
  for (int i = 0; i < count; ++i) {
    const int type = sk_GENERAL_NAME_value(names.get(), i)->type;
    if (type != GEN_DNS && type != GEN_IPADD) return false;
  }
  return count > 0 && count <= kLeafNamesMax;
}

// At least 64 bits of chance (so that nobody finds two drafts with one digest), at most 20 bytes.
bool has_good_serial(const X509* draft) {
  const OwnedSerial serial(ASN1_INTEGER_to_BN(X509_get0_serialNumber(draft), nullptr));
  const int bytes = serial ? BN_num_bytes(serial.get()) : 0;
  return bytes >= 8 && bytes <= 20 && BN_is_negative(serial.get()) == 0;
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
  if (EVP_PKEY_get_security_bits(key->get()) < kSecurityBitsMin) {
    return fault(KeyFile::kKey, "is too short to be safe; RSA takes 2048 bits, P-256 is better");
  }
  *warning = warning_of(files.key);
  return Signet(std::move(*certificate), std::move(*key));
}

// The words of a log line: "the key keeper does not sign it: ...".
const char* Signet::why_not(X509* draft) const {
  if (X509_get_version(draft) != X509_VERSION_3) return "it is no X.509 v3";
  if (!knows_all_extensions(draft)) return "it has an extension that no leaf has, or one twice";
  const uint32_t flags = X509_get_extension_flags(draft);
  if ((flags & EXFLAG_INVALID) != 0) return "an extension cannot be read";
  if ((flags & EXFLAG_BCONS) == 0 || (flags & EXFLAG_CA) != 0) return "it is not CA:FALSE";
  if ((flags & EXFLAG_XKUSAGE) == 0 || X509_get_extended_key_usage(draft) != XKU_SSL_SERVER) {
    return "it is not for servers of TLS alone";
  }
  if ((flags & EXFLAG_KUSAGE) == 0 || X509_get_key_usage(draft) != KU_DIGITAL_SIGNATURE) {
    return "its key is for more than a TLS handshake";
  }
  const X509_NAME* const ours = X509_get_subject_name(certificate_.get());
  if (X509_NAME_cmp(X509_get_issuer_name(draft), ours) != 0) return "its issuer is another";
  if (X509_NAME_cmp(X509_get_subject_name(draft), ours) == 0) return "its subject is its issuer";
  if (!has_good_serial(draft)) return "its serial number is too short or too long";
  if (!has_good_names(draft)) return "its names are none, too many, or of hosts and of others";
  const EVP_PKEY* const key = X509_get0_pubkey(draft);
  char group[32] = "";
  if (!key || EVP_PKEY_get_group_name(key, group, sizeof(group), nullptr) != 1 ||
      std::string_view(group) != "prime256v1") {
    return "its key is none of P-256";
  }
  if (EVP_PKEY_eq(key, key_.get()) == 1) return "its key is the owner's";
  const auto dates = dates_of(draft);
  const auto limit = dates_of(certificate_.get());
  if (!dates || !limit || dates->from > dates->until) return "its dates make no sense";
  if (dates->until - dates->from > kValidityMax) return "it is valid for more than 398 days";
  if (dates->until > limit->until) return "it is valid for longer than its issuer";
  return nullptr;
}

std::expected<std::string, const char*> Signet::sign(std::string_view draft) const {
  if (draft.size() > kLeafBytesMax) return std::unexpected("it is too large");
  const tls::OwnedCertificate leaf = certificate_of(draft);
  if (!leaf) return std::unexpected("it is no certificate in DER form");
  const char* const reason = why_not(leaf.get());
  ERR_clear_error();
  if (reason) return std::unexpected(reason);
  // Names are compared as people read them; what is written is ours to the byte.
  X509_set_issuer_name(leaf.get(), X509_get_subject_name(certificate_.get()));
  const bool hashes_itself =
      EVP_PKEY_is_a(key_.get(), "ED25519") == 1 || EVP_PKEY_is_a(key_.get(), "ED448") == 1;
  const bool made = X509_sign(leaf.get(), key_.get(), hashes_itself ? nullptr : EVP_sha256()) > 0;
  ERR_clear_error();
  if (!made) return std::unexpected("OpenSSL fails to sign it");
  return der_of(leaf.get());
}

}  // namespace penstock::bump
