#include <fmt/format.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>

#include "base/counted.h"
#include "base/json.h"
#include "bump/authority.h"
#include "bump/dates.h"
#include "bump/facts.h"
#include "bump/pair.h"
#include "bump/root.h"
#include "bump/signing_key.h"
#include "cli/ca_options.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "tls/credentials.h"

namespace penstock::cli {
namespace {

struct KeyFile {
  std::string name;
  bool is_file = false;
  unsigned mode = 0;
  uint64_t user = 0;
  bool opened = false;
  bool belongs = false;
};

struct Shown {
  std::vector<tls::OwnedCertificate> certificates;
  std::optional<KeyFile> key;
  Faults faults, warnings;

  X509* issuer() const { return certificates.front().get(); }
};

KeyFile look_at_key(const CaShowOptions& options, Shown& shown) {
  KeyFile out{.name = options.key};
  bump::judge_key_file({options.key, {}}, "--key", shown.faults, shown.warnings);
  struct stat facts{};
  if (!bump::is_store_uri(options.key)) {
    if (::stat(options.key.c_str(), &facts) != 0) return out;  // which has been said
    out.is_file = true;
    out.mode = facts.st_mode & 07777;
    out.user = facts.st_uid;
  }
  const auto passphrase = bump::read_passphrase(options.passphrase_file);
  if (!passphrase) {
    shown.faults.push_back(
        {{}, "--passphrase-file: " + options.passphrase_file + " " + passphrase.error()});
    return out;
  }
  const auto key = bump::open_signing_key(options.key, *passphrase);
  if (!key) {
    shown.faults.push_back({{}, "--key: " + options.key + " " + key.error()});
    return out;
  }
  out.opened = true;
  out.belongs = X509_check_private_key(shown.issuer(), key->get()) == 1;
  if (!out.belongs) {
    shown.faults.push_back(
        {{},
         "--key: " + options.key + " does not belong to the first certificate of " + options.ca});
  }
  return out;
}

// Nothing: there is no certificate to show.
std::optional<Shown> look(const CaShowOptions& options) {
  Shown out;
  Faults unreadable;
  out.certificates = tls::read_certificates({options.ca, {}}, "--ca", unreadable);
  if (out.certificates.empty()) {
    for (const Fault& fault : unreadable) fmt::print(stderr, "{}\n", fault.message);
    return std::nullopt;
  }
  (void)bump::read_authority({options.ca, {}}, "--ca", out.faults, out.warnings);
  if (options.key.empty()) return out;
  out.key = look_at_key(options, out);
  if (bump::was_interrupted({options.ca, options.key})) {
    out.warnings.push_back(
        {{},
         "--ca: a change of " + options.ca +
             " has been interrupted; the next penstock ca init or rotate ends it"});
  }
  return out;
}

int64_t days_left(const X509* certificate) {
  return (bump::valid_until(certificate) - std::time(nullptr)) / bump::kDay;
}

void write_certificate(JsonWriter& json, X509* certificate) {
  json.begin_object()
      .field("subject", bump::subject_of(certificate))
      .field("issuer", bump::issuer_of(certificate))
      .field("self_signed", bump::signs_itself(certificate))
      .field("key", bump::key_of(certificate))
      .field("sha256", bump::fingerprint_of(certificate, EVP_sha256()))
      .field("sha1", bump::fingerprint_of(certificate, EVP_sha1()))
      .field("not_before", bump::date_of(bump::valid_from(certificate)))
      .field("not_after", bump::date_of(bump::valid_until(certificate)))
      .field("days_left", days_left(certificate))
      .field("path_length", static_cast<int64_t>(bump::path_length_of(certificate)));
  const bump::Constraints constraints = bump::constraints_of(certificate);
  for (const auto& [word, names] : {std::pair("permitted", &constraints.permitted),
                                    std::pair("excluded", &constraints.excluded)}) {
    json.key(word).begin_array();
    for (const std::string& name : *names) json.value(name);
    json.end_array();
  }
  json.end_object();
}

void print_json(const Shown& shown) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("authority");
  write_certificate(json, shown.issuer());
  json.key("behind").begin_array();
  for (size_t i = 1; i < shown.certificates.size(); ++i) {
    write_certificate(json, shown.certificates[i].get());
  }
  json.end_array();
  if (const auto& key = shown.key) {
    json.key("key_file").begin_object().field("name", key->name);
    if (key->is_file) json.field("mode", fmt::format("{:04o}", key->mode)).field("user", key->user);
    json.field("opened", key->opened).field("belongs", key->belongs).end_object();
  }
  for (const auto& [word, faults] :
       {std::pair("faults", &shown.faults), std::pair("warnings", &shown.warnings)}) {
    json.key(word).begin_array();
    for (const Fault& fault : *faults) json.value(fault.message);
    json.end_array();
  }
  json.end_object();
  fmt::print("{}\n", out);
}

std::string validity(const X509* certificate) {
  const int64_t days = days_left(certificate);
  return fmt::format(
      "{} to {}, {}", bump::date_of(bump::valid_from(certificate)),
      bump::date_of(bump::valid_until(certificate)),
      days < 0 ? "which is over" : counted(static_cast<uint64_t>(days), "day") + " left");
}

void print_key(const KeyFile& key) {
  fmt::print("  key file     {}", key.name);
  if (key.is_file) fmt::print(", mode {:04o}, of user {}", key.mode, key.user);
  if (key.opened) fmt::print("{}", key.belongs ? "; belongs to it" : "; of another authority");
  fmt::print("\n");
}

void print_text(const CaShowOptions& options, const Shown& shown) {
  X509* const issuer = shown.issuer();
  const bump::Constraints constraints = bump::constraints_of(issuer);
  fmt::print("{}\n", options.ca);
  fmt::print("  subject      {}\n", bump::subject_of(issuer));
  fmt::print("  signed by    {}\n",
             bump::signs_itself(issuer) ? "itself" : bump::issuer_of(issuer));
  fmt::print("  key          {}\n", bump::key_of(issuer));
  fmt::print("  SHA-256      {}\n", bump::fingerprint_of(issuer, EVP_sha256()));
  fmt::print("  SHA-1        {}\n", bump::fingerprint_of(issuer, EVP_sha1()));
  fmt::print("  valid        {}\n", validity(issuer));
  fmt::print("  signs for    {}\n",
             constraints.permitted.empty()
                 ? "any name and address"
                 : fmt::format("{}", fmt::join(constraints.permitted, ", ")));
  if (!constraints.excluded.empty()) {
    fmt::print("  never for    {}\n", fmt::join(constraints.excluded, ", "));
  }
  for (size_t i = 1; i < shown.certificates.size(); ++i) {
    X509* const certificate = shown.certificates[i].get();
    fmt::print("  behind it    {}, signed by {}; {}\n", bump::subject_of(certificate),
               bump::signs_itself(certificate) ? "itself" : bump::issuer_of(certificate),
               validity(certificate));
  }
  if (shown.key) print_key(*shown.key);
  for (const Fault& fault : shown.faults) fmt::print("fault: {}\n", fault.message);
  for (const Fault& warning : shown.warnings) fmt::print("warning: {}\n", warning.message);
}

// In the form that was asked for.
std::string encoded(X509* certificate, CaFormat format) {
  const tls::OwnedBio bytes(BIO_new(BIO_s_mem()));
  if (format == CaFormat::kPem) {
    PEM_write_bio_X509(bytes.get(), certificate);
  } else if (format == CaFormat::kDer) {
    i2d_X509_bio(bytes.get(), certificate);
  } else {
    const std::unique_ptr<PKCS7, tls::FreedBy<PKCS7_free>> bag(PKCS7_new());
    PKCS7_set_type(bag.get(), NID_pkcs7_signed);
    PKCS7_content_new(bag.get(), NID_pkcs7_data);
    PKCS7_set_detached(bag.get(), 1);
    PKCS7_add_certificate(bag.get(), certificate);
    i2d_PKCS7_bio(bytes.get(), bag.get());
  }
  char* text = nullptr;
  const long size = BIO_get_mem_data(bytes.get(), &text);
  return {text, static_cast<size_t>(size)};
}

}  // namespace

int ca_show(const CaShowOptions& options) {
  const auto shown = look(options);
  if (!shown) return kFailed;
  if (options.json) {
    print_json(*shown);
  } else {
    print_text(options, *shown);
  }
  return shown->faults.empty() ? kDone : kFailed;
}

int ca_export(const CaExportOptions& written) {
  const auto format = read(written);
  if (!format) {
    fmt::print(stderr, "{}\n", format.error());
    return kUsage;
  }
  Faults faults;
  const auto certificates = tls::read_certificates({written.ca, {}}, "--ca", faults);
  for (const Fault& fault : faults) fmt::print(stderr, "{}\n", fault.message);
  if (certificates.empty()) return kFailed;
  const std::string bytes = encoded(certificates.front().get(), *format);
  if (!written.out.empty()) {
    // A new one: a slip must not overwrite the authority itself.
    File file(std::fopen(written.out.c_str(), "wxe"));
    if (file) return write("--out", std::move(file), bytes) ? kDone : kFailed;
    fmt::print(stderr, "--out: {} cannot be made: {}\n", written.out, std::strerror(errno));
    return kFailed;
  }
  if (*format != CaFormat::kPem && ::isatty(STDOUT_FILENO) == 1) {
    fmt::print(stderr, "--format: this one is no text; name a file for it (--out)\n");
    return kUsage;
  }
  return std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size() ? kDone : kFailed;
}

}  // namespace penstock::cli
