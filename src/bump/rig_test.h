// What the tests of the mint stand on: the owner's authority in files, origins' certificates, and a
// client that looks at what it is shown. The keeper is this very program (keeper_test.cpp, main).
#pragma once

#include <gtest/gtest.h>
#include <openssl/x509v3.h>

#include <future>
#include <memory>
#include <string>
#include <utility>

#include "bump/der.h"
#include "bump/mint.h"
#include "tls/rig_test.h"
#include "tls/trust.h"

namespace penstock::bump {

inline constexpr const char* kThisProgram = "/proc/self/exe";

inline tls::OwnedCertificate copy_of(const X509* certificate) {
  return tls::OwnedCertificate(X509_dup(certificate));
}

// Every SAN as "DNS:a" or "IP:1.2.3.4".
inline std::vector<std::string> names_in(const X509* certificate) {
  std::vector<std::string> out;
  const std::unique_ptr<GENERAL_NAMES, tls::FreedBy<GENERAL_NAMES_free>> names(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const tls::OwnedBio text(BIO_new(BIO_s_mem()));
    GENERAL_NAME_print(text.get(), sk_GENERAL_NAME_value(names.get(), i));
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(text.get(), &bytes);
    out.emplace_back(bytes, static_cast<size_t>(size));
  }
  return out;
}

// What a client says that trusts `root` alone: an X509_V_ code.
inline int verdict_of(X509* leaf, const STACK_OF(X509) * chain, const X509* root,
                      const std::string& name) {
  const tls::OwnedStore store(X509_STORE_new());
  if (root) X509_STORE_add_cert(store.get(), const_cast<X509*>(root));
  const std::unique_ptr<X509_STORE_CTX, tls::FreedBy<X509_STORE_CTX_free>> check(
      X509_STORE_CTX_new());
  X509_STORE_CTX_init(check.get(), store.get(), leaf, const_cast<STACK_OF(X509)*>(chain));
  X509_STORE_CTX_set_purpose(check.get(), X509_PURPOSE_SSL_SERVER);
  X509_VERIFY_PARAM* const wanted = X509_STORE_CTX_get0_param(check.get());
  X509_VERIFY_PARAM_set_hostflags(wanted, tls::kHostFlags);
  if (X509_VERIFY_PARAM_set1_ip_asc(wanted, name.c_str()) != 1) {
    ERR_clear_error();
    X509_VERIFY_PARAM_set1_host(wanted, name.data(), name.size());
  }
  X509_verify_cert(check.get());
  return X509_STORE_CTX_get_error(check.get());
}

class Owned : public tls::Files {
 protected:
  config::Inspection settings() const {
    config::Inspection out;
    out.ca.value = authority_.file();
    out.key.value = authority_.key_file();
    return out;
  }
  KeyFiles key_files() const { return {authority_.file(), authority_.key_file(), {}}; }
  // As patient as a busy machine needs.
  std::shared_ptr<Mint> open(const config::Inspection& settings,
                             Duration patience = std::chrono::minutes(1),
                             Duration signing_patience = std::chrono::minutes(1)) {
    Faults warnings;
    auto mint = Mint::open(settings, &warnings, {kThisProgram, patience, signing_patience});
    EXPECT_TRUE(mint) << (mint ? "" : mint.error().front().message);
    return mint ? *mint : nullptr;
  }
  // Of an origin that `stranger_` has signed.
  tls::OwnedCertificate origin(const tls::Wanted& wanted) {
    return copy_of(tls::Issued(directory_, wanted, &stranger_).certificate());
  }
  static constexpr const char* kName = "www.example.com";
  tls::OwnedCertificate origin() {
    return origin({.name = kName, .alternative = "DNS:www.example.com, DNS:*.example.net"});
  }
};

// Waits for it where it is not there.
inline Result<LeafPtr> made(Mint& mint, Wish wish) {
  auto rung = std::make_shared<std::promise<void>>();
  auto there = mint.ask(std::move(wish), [rung] { rung->set_value(); });
  if (auto* const leaf = std::get_if<LeafPtr>(&there)) return *leaf;
  rung->get_future().wait();
  return mint.answer(std::get<Mint::OrderPtr>(there)).value();
}

}  // namespace penstock::bump
