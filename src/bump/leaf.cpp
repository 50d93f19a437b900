#include "bump/leaf.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/check.h"
#include "base/ip.h"
#include "bump/names.h"
#include "bump/signet.h"

namespace penstock::bump {
namespace {

static_assert(kHostFlags ==
              (X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS));

constexpr time_t kForNameAlone = 30 * kDay;
constexpr int kSubjectBytesMax = 1024;
constexpr size_t kNamesBytesMax = 8 * 1024;
constexpr size_t kNameBytesMax = 253;
constexpr size_t kCommonNameMax = 64;  // ub-common-name of RFC 5280
constexpr size_t kSerialBytes = 16;

using OwnedName = std::unique_ptr<X509_NAME, tls::FreedBy<X509_NAME_free>>;
using OwnedExtension = std::unique_ptr<X509_EXTENSION, tls::FreedBy<X509_EXTENSION_free>>;
using OwnedConstraints = std::unique_ptr<NAME_CONSTRAINTS, tls::FreedBy<NAME_CONSTRAINTS_free>>;
using OwnedSerial = std::unique_ptr<BIGNUM, tls::FreedBy<BN_free>>;

std::string_view text_of(const ASN1_STRING* string) {
  // SAFETY: unsigned chars are read as chars.
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<size_t>(ASN1_STRING_length(string))};
}

// No NUL ends it early for one reader and not for another, and it is no text of another kind.
bool is_host_text(std::string_view text) {
  return !text.empty() && text.size() <= kNameBytesMax && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '*';
  });
}

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
    const std::string_view text = text_of(name->d.ia5);
    if (name->type == GEN_DNS ? !is_host_text(text) : text.size() != 4 && text.size() != 16) {
      continue;
    }
    if (sk_GENERAL_NAME_num(out.get()) + 1 >= kLeafNamesMax ||
        bytes + text.size() > kNamesBytesMax) {
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
bool is_mirrored(X509_NAME* subject, const X509* blank) {
  const int bytes = i2d_X509_NAME(subject, nullptr);
  return bytes > 0 && bytes <= kSubjectBytesMax &&
         X509_NAME_cmp(subject, X509_get_issuer_name(blank)) != 0;
}

void set_serial(X509* to) {
  std::array<unsigned char, kSerialBytes> bytes{};
  PENSTOCK_CHECK(RAND_bytes(bytes.data(), bytes.size()) == 1);
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 0x40);  // positive, and of full length
  const OwnedSerial number(BN_bin2bn(bytes.data(), bytes.size(), nullptr));
  PENSTOCK_CHECK(number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(to)));
}

void extend(X509* certificate, const X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  // SAFETY: both are read only.
  X509V3_set_ctx(&context, const_cast<X509*>(issuer), certificate, nullptr, nullptr, 0);
  const OwnedExtension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  PENSTOCK_CHECK(extension && X509_add_ext(certificate, extension.get(), -1) == 1);
}

// Its signature is nobody's, and stands there for a certificate to be whole.
tls::OwnedCertificate new_blank(const X509_NAME* issuer_name, const X509* issuer) {
  tls::OwnedCertificate out(X509_new());
  X509* const blank = out.get();
  const tls::OwnedKey key = leaf_key();
  PENSTOCK_CHECK(blank && X509_set_version(blank, X509_VERSION_3) == 1);
  PENSTOCK_CHECK(X509_set_issuer_name(blank, issuer_name) == 1);
  PENSTOCK_CHECK(X509_set_pubkey(blank, key.get()) == 1);
  extend(blank, issuer, NID_basic_constraints, "critical,CA:FALSE");
  extend(blank, issuer, NID_key_usage, "critical,digitalSignature");
  extend(blank, issuer, NID_ext_key_usage, "serverAuth");
  extend(blank, issuer, NID_subject_key_identifier, "hash");
  // SAFETY: a getter.
  if (issuer && X509_get0_subject_key_id(const_cast<X509*>(issuer))) {
    extend(blank, issuer, NID_authority_key_identifier, "keyid");
  }
  ASN1_INTEGER_set(X509_get_serialNumber(blank), 1);
  X509_gmtime_adj(X509_getm_notBefore(blank), 0);
  X509_gmtime_adj(X509_getm_notAfter(blank), 0);
  PENSTOCK_CHECK(X509_sign(blank, key.get(), EVP_sha256()) > 0);
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
  return X509_check_host(certificate, name.data(), name.size(), kHostFlags, nullptr) == 1;
}

tls::OwnedKey leaf_key() {
  static const tls::OwnedKey key(EVP_EC_gen("P-256"));
  PENSTOCK_CHECK(key && EVP_PKEY_up_ref(key.get()) == 1);
  return tls::OwnedKey(key.get());
}

Engraver::Engraver(const X509* issuer) : issuer_(X509_dup(issuer)), nobody_(EVP_EC_gen("P-256")) {
  PENSTOCK_CHECK(issuer_ && nobody_);
  issuer_dates_ = dates_of(issuer_.get()).value_or(Dates{});
  blank_ = new_blank(X509_get_subject_name(issuer_.get()), issuer_.get());
  blank_of_nobody_ = new_blank(common_name("The origin's certificate is not good").get(), nullptr);
}

// Within the issuer's own time, but for a leaf whose fault is that its time is over.
std::optional<Dates> Engraver::dates_for(const Wish& wish, time_t now) const {
  const auto mirrored = wish.origin ? dates_of(wish.origin.get()) : std::nullopt;
  Dates out = shortened(mirrored.value_or(Dates{now - kDay, now + kForNameAlone}), now);
  if (wish.fault == X509_V_ERR_CERT_HAS_EXPIRED && out.until < now) return out;
  out.from = std::max(out.from, issuer_dates_.from);
  out.until = std::min(out.until, issuer_dates_.until);
  if (out.from > out.until) return std::nullopt;
  return out;
}

tls::OwnedCertificate Engraver::engrave(const X509* blank, const Wish& wish, const Dates& dates,
                                        bool name_alone) const {
  tls::OwnedCertificate out(X509_dup(blank));
  PENSTOCK_CHECK(out);
  X509* const leaf = out.get();
  set_serial(leaf);
  PENSTOCK_CHECK(ASN1_TIME_set(X509_getm_notBefore(leaf), dates.from));
  PENSTOCK_CHECK(ASN1_TIME_set(X509_getm_notAfter(leaf), dates.until));
  X509_NAME* const subject = name_alone ? nullptr : X509_get_subject_name(wish.origin.get());
  PENSTOCK_CHECK(X509_set_subject_name(leaf, subject && is_mirrored(subject, blank)
                                                 ? subject
                                                 : common_name(wish.name).get()) == 1);
  OwnedNames names = name_alone ? new_names() : names_for(wish);
  if (name_alone) add_own_name(names.get(), wish.name);
  add_names(leaf, names.get());
  PENSTOCK_CHECK(i2d_re_X509_tbs(leaf, nullptr) >
                 0);  // what OpenSSL has kept of the blank is stale
  return out;
}

// RFC 5280 section 4.2.1.10: one name beyond the issuer's constraints spoils all of a leaf.
bool Engraver::permits(X509* leaf) const {
  const OwnedConstraints constraints(static_cast<NAME_CONSTRAINTS*>(
      X509_get_ext_d2i(issuer_.get(), NID_name_constraints, nullptr, nullptr)));
  if (!constraints) return true;
  X509_get_extension_flags(leaf);  // has OpenSSL read its names, which it looks at below
  return NAME_CONSTRAINTS_check(leaf, constraints.get()) == X509_V_OK;
}

tls::OwnedCertificate Engraver::by_issuer(const Wish& wish, const Dates& dates) const {
  tls::OwnedCertificate out = engrave(blank_.get(), wish, dates, !wish.origin);
  if (wish.fault == X509_V_OK && wish.origin && !permits(out.get()) &&
      covers(out.get(), wish.name)) {
    out = engrave(blank_.get(), wish, dates, true);
  }
  return out;
}

std::optional<Engraver::Draft> Engraver::draft(const Wish& wish, time_t now) const {
  if (!IpAddress::parse(wish.name) && !is_host_text(wish.name)) return std::nullopt;
  const auto dates = dates_for(wish, now);
  if (wish.fault == X509_V_OK || is_of_dates(wish.fault) || is_of_names(wish.fault)) {
    if (dates) {
      tls::OwnedCertificate leaf = by_issuer(wish, *dates);
      if (is_told_by(leaf.get(), wish, dates->has(now))) return Draft{std::move(leaf), false};
    }
    if (wish.fault == X509_V_OK) return std::nullopt;
  }
  tls::OwnedCertificate leaf =
      engrave(blank_of_nobody_.get(), wish, dates.value_or(Dates{now - kDay, now + kForNameAlone}),
              !wish.origin);
  PENSTOCK_CHECK(X509_sign(leaf.get(), nobody_.get(), EVP_sha256()) > 0);
  ERR_clear_error();
  return Draft{std::move(leaf), true};
}

}  // namespace penstock::bump
