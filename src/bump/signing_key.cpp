#include "bump/signing_key.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/ascii.h"
#include "base/check.h"
#include "identity/read_file.h"

namespace penstock::bump {
namespace {

constexpr size_t kKeyBytesMax = 64 * 1024;
constexpr size_t kPassphraseBytesMax = 1024;
// Rounds of PBKDF2 for each guess at a passphrase: a quarter of a second here (OWASP's figure).
constexpr int kRounds = 600'000;

using OwnedStoreContext = std::unique_ptr<OSSL_STORE_CTX, tls::FreedBy<OSSL_STORE_close>>;
using OwnedStoreInfo = std::unique_ptr<OSSL_STORE_INFO, tls::FreedBy<OSSL_STORE_INFO_free>>;
using OwnedKeyInfo = std::unique_ptr<PKCS8_PRIV_KEY_INFO, tls::FreedBy<PKCS8_PRIV_KEY_INFO_free>>;
using OwnedSealed = std::unique_ptr<X509_SIG, tls::FreedBy<X509_SIG_free>>;
using OwnedUi = std::unique_ptr<UI_METHOD, tls::FreedBy<UI_destroy_method>>;

// What OpenSSL is told where it would ask the terminal.
struct Asked {
  std::string_view passphrase;
  bool at_all = false;
};

int tell_passphrase(char* buffer, int size, int /*to_write*/, void* context) {
  auto& asked = *static_cast<Asked*>(context);
  asked.at_all = true;
  const std::string_view text = asked.passphrase;
  if (text.empty() || text.size() > static_cast<size_t>(size)) return -1;
  std::ranges::copy(text, buffer);
  return static_cast<int>(text.size());
}

std::string why_no_key(const Asked& asked, std::string_view otherwise) {
  ERR_clear_error();
  if (!asked.at_all) return std::string(otherwise);
  if (asked.passphrase.empty())
    return "has a passphrase; name the file that has it (passphrase_file)";
  return "cannot be opened with this passphrase";
}

std::expected<tls::OwnedKey, std::string> open_file(const std::string& path, Asked asked) {
  auto text = identity::read_file(path, kKeyBytesMax);
  if (!text) return std::unexpected(text.error());
  const tls::OwnedBio bytes(BIO_new_mem_buf(text->data(), static_cast<int>(text->size())));
  tls::OwnedKey key(PEM_read_bio_PrivateKey(bytes.get(), nullptr, tell_passphrase, &asked));
  wipe(*text);
  if (key) return {std::move(key)};
  return std::unexpected(
      why_no_key(asked, "has no private key in PEM form (-----BEGIN PRIVATE KEY-----)"));
}

std::expected<tls::OwnedKey, std::string> open_store(const std::string& uri, Asked asked) {
  const OwnedUi ui(UI_UTIL_wrap_read_pem_callback(tell_passphrase, 0));
  const OwnedStoreContext store(OSSL_STORE_open(uri.c_str(), ui.get(), &asked, nullptr, nullptr));
  if (!store) {
    ERR_clear_error();
    return std::unexpected(
        "cannot be opened: OpenSSL has no store for it, or the store does not answer; a token "
        "takes "
        "a provider in openssl.cnf");
  }
  OSSL_STORE_expect(store.get(), OSSL_STORE_INFO_PKEY);
  while (OSSL_STORE_eof(store.get()) == 0) {
    const OwnedStoreInfo found(OSSL_STORE_load(store.get()));
    if (!found) break;
    if (tls::OwnedKey key{OSSL_STORE_INFO_get1_PKEY(found.get())}) {
      ERR_clear_error();
      return {std::move(key)};
    }
  }
  return std::unexpected(why_no_key(asked, "has no private key"));
}

}  // namespace

bool is_store_uri(std::string_view name) {
  const size_t colon = name.find(':');
  if (colon == name.npos || colon < 2 || !is_alpha(name[0])) return false;
  return std::ranges::all_of(name.substr(0, colon), [](char c) {
    return is_alpha(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
  });
}

std::expected<Secret, std::string> read_passphrase(const std::string& path) {
  if (path.empty()) return Secret();
  // Room for a line end that a longer text would have behind the first one.
  auto text = identity::read_file(path, 4 * kPassphraseBytesMax);
  if (!text) return std::unexpected(text.error());
  const std::string_view line = std::string_view(*text).substr(0, text->find_first_of("\r\n"));
  Secret out(line);
  wipe(*text);
  const size_t size = out.view().size();
  if (size == 0) return std::unexpected("has nothing in its first line, which is the passphrase");
  if (size > kPassphraseBytesMax)
    return std::unexpected("has more than 1024 bytes in its first line");
  return out;
}

std::expected<tls::OwnedKey, std::string> open_signing_key(const std::string& name,
                                                           const Secret& passphrase) {
  const Asked asked{.passphrase = passphrase.view()};
  return is_store_uri(name) ? open_store(name, asked) : open_file(name, asked);
}

Secret pem_of_key(EVP_PKEY* key, const Secret& passphrase) {
  const tls::OwnedBio bytes(BIO_new(BIO_s_secmem()));
  const OwnedKeyInfo info(EVP_PKEY2PKCS8(key));
  PENSTOCK_CHECK(bytes && info);
  if (passphrase.view().empty()) {
    PENSTOCK_CHECK(PEM_write_bio_PKCS8_PRIV_KEY_INFO(bytes.get(), info.get()) == 1);
  } else {
    const std::string_view words = passphrase.view();
    const OwnedSealed sealed(PKCS8_encrypt(-1, EVP_aes_256_cbc(), words.data(),
                                           static_cast<int>(words.size()), nullptr, 0, kRounds,
                                           info.get()));
    PENSTOCK_CHECK(sealed && PEM_write_bio_PKCS8(bytes.get(), sealed.get()) == 1);
  }
  char* text = nullptr;
  const long size = BIO_get_mem_data(bytes.get(), &text);
  return Secret(std::string_view(text, static_cast<size_t>(size)));
}

void judge_key_file(const Located<std::string>& file, const std::string& what, Faults& faults,
                    Faults& warnings) {
  if (is_store_uri(file.value)) return;
  const std::string name = what + ": " + file.value + " ";
  struct stat facts{};
  if (::stat(file.value.c_str(), &facts) != 0) {
    faults.push_back({file.place, name + "cannot be read: " + std::strerror(errno)});
    return;
  }
  if ((facts.st_mode & (S_IROTH | S_IWOTH)) != 0) {
    faults.push_back({file.place, name + "can be read or written by everybody on this machine, who "
                                         "could sign as any site; chmod 0600 it, and rotate "
                                         "(penstock ca rotate) if somebody may have read it"});
  } else if ((facts.st_mode & (S_IRGRP | S_IWGRP)) != 0) {
    warnings.push_back({file.place, name + "can be read or written by its group; chmod 0600 it"});
  }
}

}  // namespace penstock::bump
