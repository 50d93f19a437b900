// What the tests of this layer stand on: an authority that issues certificates into files, and a
// client that is OpenSSL over a socket, driven by hand beside a Session on a loop.
#pragma once

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "sys/fd.h"
#include "tls/session.h"

namespace penstock::tls {

struct Wanted {
  std::string name = "proxy.example";  // common name
  std::string alternative = {};        // subjectAltName as `openssl x509` has it; empty: none
  long days = 2;                       // from now; less than 0: it has expired
  bool authority = false;
};

// A key and a certificate, in memory and in files.
class Issued {
 public:
  Issued(const std::filesystem::path& directory, const Wanted& wanted, const Issued* issuer)
      : key_(EVP_EC_gen("P-256")), certificate_(X509_new()) {
    X509* const certificate = certificate_.get();
    X509_set_version(certificate, X509_VERSION_3);
    static long serial = 1;
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    constexpr long kDay = 24 * 3600;
    X509_gmtime_adj(X509_getm_notBefore(certificate), -100 * kDay);
    X509_gmtime_adj(X509_getm_notAfter(certificate), wanted.days * kDay);
    X509_set_pubkey(certificate, key_.get());
    const auto* name = reinterpret_cast<const unsigned char*>(wanted.name.c_str());
    X509_NAME* const subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("Example"), -1, -1, 0);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, name, -1, -1, 0);
    const Issued& signer = issuer ? *issuer : *this;
    X509_set_issuer_name(certificate, X509_get_subject_name(signer.certificate_.get()));
    extend(NID_basic_constraints, wanted.authority ? "critical,CA:TRUE" : "CA:FALSE");
    if (!wanted.alternative.empty()) extend(NID_subject_alt_name, wanted.alternative.c_str());
    EXPECT_GT(X509_sign(certificate, signer.key_.get(), EVP_sha256()), 0);
    write(directory, std::to_string(serial));
  }

  const X509* certificate() const { return certificate_.get(); }
  const std::string& file() const { return file_; }
  const std::string& key_file() const { return key_file_; }
  // As a client shows it.
  void give_to(SSL_CTX* context) const {
    EXPECT_EQ(SSL_CTX_use_certificate(context, certificate_.get()), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey(context, key_.get()), 1);
  }
  config::Certificate files() const { return {{file_, {}}, {key_file_, {}}, {}}; }

 private:
  void extend(int nid, const char* value) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
    ASSERT_NE(extension, nullptr) << value;
    X509_add_ext(certificate_.get(), extension, -1);
    X509_EXTENSION_free(extension);
  }
  void write(const std::filesystem::path& directory, const std::string& stem) {
    file_ = directory / (stem + ".pem");
    key_file_ = directory / (stem + ".key");
    const OwnedBio certificate(BIO_new_file(file_.c_str(), "w"));
    PEM_write_bio_X509(certificate.get(), certificate_.get());
    const OwnedBio key(BIO_new_file(key_file_.c_str(), "w"));
    PEM_write_bio_PrivateKey(key.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    std::filesystem::permissions(key_file_, std::filesystem::perms::owner_read);
  }

  OwnedKey key_;
  OwnedCertificate certificate_;
  std::string file_;
  std::string key_file_;
};

class Files : public testing::Test {
 protected:
  Files() { std::filesystem::create_directories(directory_); }
  ~Files() override { std::filesystem::remove_all(directory_); }

  Issued issue(const Wanted& wanted) { return {directory_, wanted, &authority_}; }
  std::string file(const std::string& name, const std::string& text) {
    std::ofstream(directory_ / name) << text;
    return directory_ / name;
  }

  const std::filesystem::path directory_ =
      std::filesystem::path(testing::TempDir()) /
      ("penstock-tls-" + std::to_string(::getpid()) + "-" +
       testing::UnitTest::GetInstance()->current_test_info()->name());
  const Issued authority_ = [this] {
    std::filesystem::create_directories(directory_);
    return Issued(directory_, {.name = "authority", .authority = true}, nullptr);
  }();
  const Issued stranger_{directory_, {.name = "stranger", .authority = true}, nullptr};
};

// The other end: OpenSSL over a non-blocking socket.
class Client {
 public:
  Client(sys::Fd fd, const SSL_CTX* context)
      : fd_(std::move(fd)), ssl_(SSL_new(const_cast<SSL_CTX*>(context))) {
    SSL_set_fd(ssl_.get(), fd_.get());
    SSL_set_connect_state(ssl_.get());
  }

  // A session that did not end well is not taken up again.
  ~Client() { SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  SSL* ssl() { return ssl_.get(); }
  int fd() const { return fd_.get(); }

  // True: it is done. A failure is kept in error().
  bool shake() { return done(SSL_do_handshake(ssl_.get())); }
  // Takes what has come.
  void listen() {
    char buffer[65536];
    for (;;) {
      const int got = SSL_read(ssl_.get(), buffer, sizeof(buffer));
      if (!done(got)) return;
      heard_.append(buffer, static_cast<size_t>(got));
    }
  }
  // How much of it could be said.
  size_t say(std::string_view bytes) {
    const int said = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
    return done(said) ? static_cast<size_t>(said) : 0;
  }
  void close_notify() { SSL_shutdown(ssl_.get()); }
  void fin() { ::shutdown(fd_.get(), SHUT_WR); }

  const std::string& heard() const { return heard_; }
  bool got_close_notify() { return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0; }
  unsigned long error() const { return error_; }

 private:
  bool done(int result) {
    if (result > 0) return true;
    if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_SSL) error_ = ERR_peek_error();
    ERR_clear_error();
    return false;
  }

  sys::Fd fd_;
  OwnedSsl ssl_;
  std::string heard_;
  unsigned long error_ = 0;
};

}  // namespace penstock::tls
