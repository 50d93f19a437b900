#include <fmt/format.h>

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/ascii.h"
#include "bump/authority.h"
#include "bump/dates.h"
#include "bump/facts.h"
#include "bump/pair.h"
#include "bump/root.h"
#include "bump/signing_key.h"
#include "cli/ca_options.h"
#include "cli/commands.h"

namespace penstock::cli {
namespace {

constexpr time_t kHour = 3600;
constexpr size_t kPassphraseBytesMin = 8;

int complain(int status, const std::string& what) {
  fmt::print(stderr, "{}\n", what);
  return status;
}

// Nothing: said, and `status` has what it ends with.
std::optional<Secret> passphrase_of(const CaMakeOptions& written, bool is_chosen_now, int* status) {
  auto out = bump::read_passphrase(written.passphrase_file);
  std::string fault = out ? "" : out.error();
  if (out && is_chosen_now && !written.passphrase_file.empty() &&
      out->view().size() < kPassphraseBytesMin) {
    fault = fmt::format("has a passphrase of less than {} bytes", kPassphraseBytesMin);
  }
  if (fault.empty()) return std::move(*out);
  *status = complain(kFailed, "--passphrase-file: " + written.passphrase_file + " " + fault);
  return std::nullopt;
}

// With something in it that no other has: two authorities of one name are hard to tell apart.
std::string default_name(const EVP_PKEY* key) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  unsigned char* encoded = nullptr;
  const int length = i2d_PUBKEY(key, &encoded);
  EVP_Digest(encoded, length > 0 ? static_cast<size_t>(length) : 0, bytes, &size, EVP_sha256(),
             nullptr);
  OPENSSL_free(encoded);
  return fmt::format("penstock inspection CA {:02x}{:02x}{:02x}", bytes[0], bytes[1], bytes[2]);
}

// "Example Egress CA", "Example Egress CA G2", "Example Egress CA G3".
std::string next_name(const std::string& name) {
  const size_t at = name.rfind(" G");
  if (at != name.npos) {
    if (const auto number = parse_decimal(name.substr(at + 2), 9999)) {
      return fmt::format("{} G{}", name.substr(0, at), *number + 1);
    }
  }
  return name + " G2";
}

std::string absolute(const std::string& path) {
  std::error_code nothing;
  const auto out = std::filesystem::absolute(path, nothing);
  return nothing ? path : out.lexically_normal().string();
}

std::string joined(const std::vector<std::string>& texts) {
  return fmt::format("{}", fmt::join(texts, ", "));
}

void print_authority(const CaMakeOptions& written, const X509* root) {
  const bump::Constraints constraints = bump::constraints_of(root);
  fmt::print("  subject      {}\n", bump::subject_of(root));
  fmt::print("  certificate  {}\n", written.ca);
  fmt::print("  key          {} (mode 0600{})\n", written.key,
             written.passphrase_file.empty() ? "" : ", with a passphrase");
  fmt::print("  SHA-256      {}\n", bump::fingerprint_of(root, EVP_sha256()));
  fmt::print("  valid        {} to {}\n", bump::date_of(bump::valid_from(root)),
             bump::date_of(bump::valid_until(root)));
  if (constraints.empty()) {
    fmt::print("  signs for    any name and address\n");
  } else {
    fmt::print("  signs for    {}\n", joined(constraints.permitted));
    if (!constraints.excluded.empty()) {
      fmt::print("  never for    {}\n", joined(constraints.excluded));
    }
  }
}

void print_configuration(const CaMakeOptions& written) {
  fmt::print("       inspection:\n         ca: {}\n         key: {}\n", absolute(written.ca),
             absolute(written.key));
  if (!written.passphrase_file.empty()) {
    fmt::print("         passphrase_file: {}\n", absolute(written.passphrase_file));
  }
}

void print_steps_after_init(const CaMakeOptions& written) {
  fmt::print("\nWhat to do next\n  1. Name both in the configuration:\n");
  print_configuration(written);
  fmt::print(
      "     and give the rules whose tunnels are to be read an `inspect:`.\n"
      "  2. Let clients trust the root, which is no secret:\n"
      "       penstock ca export --ca {} --out root.pem\n"
      "     docs/inspection.md says how curl, git, Node, Python, Java, apt and Chromium come to.\n"
      "  3. Tell the people whose traffic it is.\n"
      "Whoever reads the key can pose as any site to these clients. Keep it out of backups that "
      "others read.\n",
      written.ca);
}

void print_steps_after_rotate(const CaMakeOptions& written) {
  fmt::print(
      "\nThe old pair is kept as {0}.old and {1}.old. Roll out in this order\n"
      "  1. Reload penstock (SIGHUP). From now on the new key signs; clients that trust the old or "
      "the\n     new root go on.\n"
      "  2. Let every client trust the new root:\n"
      "       penstock ca export --ca {0} --out root.pem\n"
      "  3. When all do, leave only the first certificate in {0}, reload, and let clients forget "
      "the\n     old root.\n"
      "  4. Destroy {1}.old.\n"
      "If the old key has been stolen, begin with 2, and let clients forget the old root at once: "
      "until\nthen whoever has it can pose as any site.\n",
      written.ca, written.key);
}

bump::RootSpec spec_of(const CaMake& wanted, std::string name) {
  const time_t now = std::time(nullptr);
  // An hour ago: clocks differ.
  return {std::move(name), now - kHour, now + wanted.days * bump::kDay, wanted.permitted};
}

// True: a run that was killed has been ended, and that is all for now.
bool was_finished(const CaMakeOptions& written, const bump::PairChange& change) {
  if (change.recovered() == bump::Recovered::kUndone) {
    fmt::print(stderr, "removed what an earlier run, which was killed, had left\n");
  }
  if (change.recovered() != bump::Recovered::kFinished) return false;
  fmt::print(
      "An earlier run was killed before its last step, and has been ended now: {} and {} are its. "
      "Look at\nthem with penstock ca show; run this again if it is to be done once more.\n",
      written.ca, written.key);
  return true;
}

// The old authority; nothing: said why not.
std::optional<bump::Authority> rotatable(const CaMakeOptions& written, EVP_PKEY* key) {
  Faults faults, warnings;
  auto out = bump::read_authority({written.ca, {}}, "--ca", faults, warnings);
  if (!out) {
    for (const Fault& fault : faults) complain(kFailed, fault.message);
    return std::nullopt;
  }
  X509* const issuer = out->issuer.get();
  std::string fault;
  if (!bump::signs_itself(issuer)) {
    fault = "is no root but signed by " + bump::issuer_of(issuer) +
            ", which is to sign the next one, too";
  } else if (X509_check_private_key(issuer, key) != 1) {
    fault = "does not belong to the key in " + written.key;
  } else if (bump::path_length_of(issuer) == 0) {
    fault =
        "has a path length of 0, so that nothing that it signs may sign leaves; make another "
        "authority (penstock ca init), let clients trust both, and name the new one in the "
        "configuration then";
  }
  if (fault.empty()) return out;
  complain(kFailed, "--ca: " + written.ca + " " + fault);
  return std::nullopt;
}

}  // namespace

int ca_init(const CaMakeOptions& written) {
  const auto wanted = read(written);
  if (!wanted) return complain(kUsage, wanted.error());
  int status = kDone;
  const auto passphrase = passphrase_of(written, true, &status);
  if (!passphrase) return status;
  auto change = bump::PairChange::begin({written.ca, written.key});
  if (!change) return complain(kFailed, change.error());
  if (was_finished(written, *change)) return kDone;
  const tls::OwnedKey key = bump::make_key();
  const auto root =
      bump::make_root(spec_of(*wanted, wanted->name.value_or(default_name(key.get()))), key.get());
  const auto done =
      change->create(bump::pem_of(root.get()), bump::pem_of_key(key.get(), *passphrase));
  if (!done) return complain(kFailed, done.error());
  fmt::print("Made an authority\n");
  print_authority(written, root.get());
  print_steps_after_init(written);
  return kDone;
}

int ca_rotate(const CaMakeOptions& written) {
  const auto wanted = read(written);
  if (!wanted) return complain(kUsage, wanted.error());
  int status = kDone;
  const auto passphrase = passphrase_of(written, false, &status);
  if (!passphrase) return status;
  auto change = bump::PairChange::begin({written.ca, written.key});
  if (!change) return complain(kFailed, change.error());
  if (was_finished(written, *change)) return kDone;
  const auto old_key = bump::open_signing_key(written.key, *passphrase);
  if (!old_key) return complain(kFailed, "--key: " + written.key + " " + old_key.error());
  const auto old = rotatable(written, old_key->get());
  if (!old) return kFailed;
  const X509* const old_root = old->issuer.get();
  const std::string old_name = bump::common_name_of(old_root);
  bump::RootSpec spec = spec_of(*wanted, wanted->name.value_or(next_name(old_name)));
  if (spec.name == old_name || spec.name.size() > 64) {
    return complain(kUsage, fmt::format("--name: the new root needs a name of its own, of at most "
                                        "64 characters; the old one is called \"{}\"",
                                        old_name));
  }
  if (spec.permitted.everything()) spec.like = old_root;
  const tls::OwnedKey key = bump::make_key();
  const auto root = bump::make_root(spec, key.get());
  const auto cross = bump::cross_sign(root.get(), old_root, old_key->get());
  if (!cross) return complain(kFailed, "--key: " + written.key + " does not sign");
  const auto done = change->replace(
      bump::pem_of(root.get()) + bump::pem_of(cross.get()) + bump::pem_of(old->issuer.get()),
      bump::pem_of_key(key.get(), *passphrase));
  if (!done) return complain(kFailed, done.error());
  fmt::print("Changed the key; the new authority\n");
  print_authority(written, root.get());
  print_steps_after_rotate(written);
  return kDone;
}

}  // namespace penstock::cli
