#include "bump/leaf.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/check.h"
#include "base/ip.h"
#include "bump/der.h"
#include "bump/form.h"
#include "bump/names.h"
#include "tls/asn1.h"
#include "tls/trust.h"

namespace penstock::bump {
namespace {

constexpr time_t kForNameAlone = 30 * kDay;
constexpr size_t kNamesBytesMax = 8 * 1024;
constexpr size_t kCommonNameMax = 64;  // ub-common-name of RFC 5280
constexpr size_t kSerialBytes = 16;

using OwnedConstraints = std::unique_ptr<NAME_CONSTRAINTS, tls::FreedBy<NAME_CONSTRAINTS_free>>;
using OwnedSerial = std::unique_ptr<BIGNUM, tls::FreedBy<BN_free>>;

void add_name(GENERAL_NAMES* to, int type, std::string_view bytes) {
  GENERAL_NAME* const name = GENERAL_NAME_new();
  ASN1_STRING* const string = type == GEN_DNS ? ASN1_IA5STRING_new() : ASN1_OCTET_STRING_new();
  PENSTOCK_CHECK(name && string);
  PENSTOCK_CHECK(ASN1_STRING_set(string, bytes.data(), static_cast<int>(bytes.size())) == 1);
  GENERAL_NAME_set0_value(name, type, string);
  PENSTOCK_CHECK(sk_GENERAL_NAME_push(to, name) > 0);
}

void add_own_name(GENERAL_NAMES* to, const std::string& name) {
  const auto address = IpAddress::parse(name);
  if (!address) return add_name(to, GEN_DNS, name);
  // SAFETY: bytes are read as chars.
  add_name(to, GEN_IPADD,
           {reinterpret_cast<const char*>(address->bytes.data()), address->v6 ? 16u : 4u});
}

OwnedNames new_names() {
  OwnedNames out(sk_GENERAL_NAME_new_null());
  PENSTOCK_CHECK(out);
  return out;
}

// Hosts and addresses, as many as fit; what is asked for is looked for behind those as well.
OwnedNames names_for(const Wish& wish) {
  const OwnedNames names = names_of(wish.origin.get());
  OwnedNames out = new_names();
  bool cut = false;
  size_t bytes = 0;
  const int count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS && name->type != GEN_IPADD) continue;
    const std::string_view text = tls::string_of(name->d.ia5);
    if (name->type == GEN_DNS ? !is_host_text(text) : text.size() != 4 && text.size() != 16) {
      continue;
    }
    if (sk_GENERAL_NAME_num(out.get()) + 1 >= kNamesMax || bytes + text.size() > kNamesBytesMax) {
      cut = true;
      break;
    }
    bytes += text.size();
    add_name(out.get(), name->type, text);
  }
  if (cut && covers(wish.origin.get(), wish.name)) add_own_name(out.get(), wish.name);
  return out;
}

void add_names(X509* to, const GENERAL_NAMES* names) {
  // Whoever has no subject is known by these alone (RFC 5280 section 4.1.2.6).
  const bool critical = X509_NAME_entry_count(X509_get_subject_name(to)) == 0;
  if (sk_GENERAL_NAME_num(names) == 0) return;
  // SAFETY: it is read only.
  PENSTOCK_CHECK(X509_add1_ext_i2d(to, NID_subject_alt_name, const_cast<GENERAL_NAMES*>(names),
                                   critical ? 1 : 0, X509V3_ADD_DEFAULT) == 1);
}

OwnedName common_name(const std::string& name) {
  OwnedName out(X509_NAME_new());
  PENSTOCK_CHECK(out);
  if (name.size() > kCommonNameMax) return out;
  // SAFETY: chars are bytes.
  const auto* text = reinterpret_cast<const unsigned char*>(name.data());
  PENSTOCK_CHECK(X509_NAME_add_entry_by_NID(out.get(), NID_commonName, V_ASN1_UTF8STRING, text,
                                            static_cast<int>(name.size()), -1, 0) == 1);
  return out;
}

// A subject that is our issuer's would make a leaf its own issuer in the eyes of its reader.
bool is_mirrored(const X509_NAME* subject, const X509_NAME* issuer) {
  const int bytes = i2d_X509_NAME(subject, nullptr);
  return bytes > 0 && static_cast<size_t>(bytes) <= kSubjectBytesMax &&
         X509_NAME_cmp(subject, issuer) != 0;
}

void set_serial(X509* to) {
  std::array<unsigned char, kSerialBytes> bytes{};
  PENSTOCK_CHECK(RAND_bytes(bytes.data(), bytes.size()) == 1);
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 0x40);  // positive, and of full length
  const OwnedSerial number(BN_bin2bn(bytes.data(), bytes.size(), nullptr));
  PENSTOCK_CHECK(number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(to)));
}

OwnedExtension subject_key_id() {
  tls::OwnedCertificate subject(X509_new());
  const tls::OwnedKey key = leaf_key();
  PENSTOCK_CHECK(subject && X509_set_pubkey(subject.get(), key.get()) == 1);
  X509V3_CTX context;
  X509V3_set_ctx(&context, nullptr, subject.get(), nullptr, nullptr, 0);
  OwnedExtension out(X509V3_EXT_conf_nid(nullptr, &context, NID_subject_key_identifier, "hash"));
  PENSTOCK_CHECK(out);
  return out;
}

// No longer than browsers take; still valid or still not, as it was.
Dates shortened(Dates dates, time_t now) {
  if (dates.until - dates.from <= kValidityMax) return dates;
  if (dates.until < now) return {dates.until - kValidityMax, dates.until};
  const time_t from = std::max(dates.from, now - kDay);  // clocks differ
  return {from, std::min(dates.until, from + kValidityMax)};
}

bool is_of_dates(long fault) {
  return fault == X509_V_ERR_CERT_HAS_EXPIRED || fault == X509_V_ERR_CERT_NOT_YET_VALID;
}
bool is_of_names(long fault) {
  return fault == X509_V_ERR_HOSTNAME_MISMATCH || fault == X509_V_ERR_IP_ADDRESS_MISMATCH;
}

// Whether whoever looks at `leaf` sees what the wish says of the origin. A fault may be one of the
// origin's issuers, of which there is nothing in what we have made. (A certificate without any name
// is not for the keeper to sign.)
bool is_told_by(X509* leaf, const Wish& wish, bool in_time) {
  const bool named = covers(leaf, wish.name);
  if (wish.fault == X509_V_OK) return named && in_time;
  if (!names_of(leaf)) return false;
  return is_of_dates(wish.fault) ? !in_time : !named;
}

}  // namespace

bool covers(X509* certificate, const std::string& name) {
  if (const auto address = IpAddress::parse(name)) {
    return X509_check_ip(certificate, address->bytes.data(), address->v6 ? 16 : 4, 0) == 1;
  }
  return X509_check_host(certificate, name.data(), name.size(), tls::kHostFlags, nullptr) == 1;
}

Engraver::Engraver(const X509* issuer)
    : issuer_(X509_dup(issuer)),
      issuer_dates_(dates_of(issuer).value_or(Dates{})),
      key_(leaf_key()),
      nobody_(EVP_EC_gen("P-256")),
      nobodys_name_(common_name("The origin's certificate is not good")),
      of_issuer_(fixed_extensions(issuer)),
      of_nobody_(fixed_extensions(nullptr)) {
  PENSTOCK_CHECK(issuer_ && nobody_);
  of_issuer_.push_back(subject_key_id());
  of_nobody_.push_back(subject_key_id());
}

// Within the issuer's own time, but for a leaf whose fault is that its time is over.
std::optional<Dates> Engraver::dates_for(const Wish& wish, time_t now) const {
  const auto mirrored = wish.origin ? dates_of(wish.origin.get()) : std::nullopt;
  Dates out = shortened(mirrored.value_or(Dates{now - kDay, now + kForNameAlone}), now);
  if (wish.fault == X509_V_ERR_CERT_HAS_EXPIRED && out.until < now) {
    // One that ended before it began has expired all the same; the keeper signs none such.
    if (out.from > out.until) out.from = out.until - kDay;
    return out;
  }
  out.from = std::max(out.from, issuer_dates_.from);
  out.until = std::min(out.until, issuer_dates_.until);
  if (out.from > out.until) return std::nullopt;
  return out;
}

tls::OwnedCertificate Engraver::engrave(bool by_issuer, const Wish& wish, const Dates& dates,
                                        bool name_alone) const {
  tls::OwnedCertificate out(X509_new());
  PENSTOCK_CHECK(out);
  X509* const leaf = out.get();
  const X509_NAME* const issuer =
      by_issuer ? X509_get_subject_name(issuer_.get()) : nobodys_name_.get();
  PENSTOCK_CHECK(X509_set_version(leaf, X509_VERSION_3) == 1);
  set_serial(leaf);
  PENSTOCK_CHECK(X509_set_issuer_name(leaf, issuer) == 1);
  PENSTOCK_CHECK(ASN1_TIME_set(X509_getm_notBefore(leaf), dates.from));
  PENSTOCK_CHECK(ASN1_TIME_set(X509_getm_notAfter(leaf), dates.until));
  const X509_NAME* const subject = name_alone ? nullptr : X509_get_subject_name(wish.origin.get());
  if (!subject || !is_mirrored(subject, issuer) || X509_set_subject_name(leaf, subject) != 1) {
    PENSTOCK_CHECK(X509_set_subject_name(leaf, common_name(wish.name).get()) == 1);
  }
  PENSTOCK_CHECK(X509_set_pubkey(leaf, key_.get()) == 1);
  for (const auto& extension : by_issuer ? of_issuer_ : of_nobody_) {
    PENSTOCK_CHECK(X509_add_ext(leaf, extension.get(), -1) == 1);
  }
  OwnedNames names = name_alone ? new_names() : names_for(wish);
  if (name_alone) add_own_name(names.get(), wish.name);
  add_names(leaf, names.get());
  return out;
}

// RFC 5280 section 4.2.1.10: one name beyond the issuer's constraints spoils all of a leaf.
bool Engraver::permits(X509* leaf) const {
  const OwnedConstraints constraints(static_cast<NAME_CONSTRAINTS*>(
      X509_get_ext_d2i(issuer_.get(), NID_name_constraints, nullptr, nullptr)));
  if (!constraints) return true;
  // A copy, since OpenSSL remembers what it has read of its names, and of a certificate as a whole.
  sign_by_nobody(leaf);
  const tls::OwnedCertificate copy(X509_dup(leaf));
  X509_get_extension_flags(copy.get());
  return NAME_CONSTRAINTS_check(copy.get(), constraints.get()) == X509_V_OK;
}

void Engraver::sign_by_nobody(X509* leaf) const {
  PENSTOCK_CHECK(X509_sign(leaf, nobody_.get(), EVP_sha256()) > 0);
}

tls::OwnedCertificate Engraver::by_issuer(const Wish& wish, const Dates& dates) const {
  tls::OwnedCertificate out = engrave(true, wish, dates, !wish.origin);
  if (wish.fault == X509_V_OK && wish.origin && !permits(out.get()) &&
      covers(out.get(), wish.name)) {
    out = engrave(true, wish, dates, true);
  }
  return out;
}

std::optional<Engraver::Draft> Engraver::draft(const Wish& wish, time_t now) const {
  if (!IpAddress::parse(wish.name) && !is_host_text(wish.name)) return std::nullopt;
  const auto dates = dates_for(wish, now);
  if (wish.fault == X509_V_OK || is_of_dates(wish.fault) || is_of_names(wish.fault)) {
    if (dates) {
      tls::OwnedCertificate leaf = by_issuer(wish, *dates);
      if (is_told_by(leaf.get(), wish, dates->has(now))) {
        const X509_ALGOR* const algorithm = X509_get0_tbs_sigalg(leaf.get());
        // SAFETY: it is a part of *leaf, which is not const.
        PENSTOCK_CHECK(set_algorithm(const_cast<X509_ALGOR*>(algorithm), signer()));
        std::string tbs = tbs_of(leaf.get());
        return Draft{std::move(leaf), std::move(tbs)};
      }
    }
    if (wish.fault == X509_V_OK) return std::nullopt;
  }
  tls::OwnedCertificate leaf =
      engrave(false, wish, dates.value_or(Dates{now - kDay, now + kForNameAlone}), !wish.origin);
  sign_by_nobody(leaf.get());
  ERR_clear_error();
  return Draft{std::move(leaf), {}};
}

bool Engraver::put_signature(Draft& draft, std::string_view signature) const {
  const ASN1_BIT_STRING* bits = nullptr;
  const X509_ALGOR* algorithm = nullptr;
  X509_get0_signature(&bits, &algorithm, draft.certificate.get());
  // SAFETY: both are parts of a certificate that is not const. OpenSSL has no function for it, and
  // reading it anew would take 120 us, nearly all of it for the key that is in it.
  auto* const into = const_cast<ASN1_BIT_STRING*>(bits);
  into->flags = (into->flags & ~0x07) | ASN1_STRING_FLAG_BITS_LEFT;  // whole bytes
  return set_algorithm(const_cast<X509_ALGOR*>(algorithm), signer()) &&
         ASN1_STRING_set(into, signature.data(), static_cast<int>(signature.size())) == 1;
}

}  // namespace penstock::bump
