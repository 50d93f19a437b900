// The providers of identity as they were written, in their order.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "base/time.h"
#include "identity/certificate.h"
#include "identity/identity.h"

namespace penstock::identity {

using LocatedWords = std::vector<Located<std::string>>;

struct ProviderSpec {
  Place place;
  Provider kind = Provider::kClients;
  // kClients
  LocatedWords clients;
  std::string identity;
  // kCertificate
  CertificateField certificate = CertificateField::kSubject;
  // kBasic: files of users and of groups; the second may be empty
  Located<std::string> basic;
  Located<std::string> groups_file;
  // kJwt
  Located<std::string> jwt;  // a file with a JSON Web Key Set, or the URL of one
  std::string issuer;
  std::vector<std::string> audience;  // one of them must be named
  std::string identity_claim = "sub";
  std::string groups_claim = "groups";
  Duration leeway = std::chrono::seconds(30);
  // what is asked over HTTP: of kJwt, if it is by URL
  Located<std::string> ca;                      // a file; empty: the system's roots
  Duration timeout = std::chrono::seconds(5);   // for one answer
  Duration refresh = std::chrono::minutes(15);  // of keys
  // kBasic and kJwt
  std::string realm = "penstock";
  Duration cache = std::chrono::minutes(5);  // how long an answer is believed; zero: not at all
  // all: groups of whoever is identified here
  std::vector<std::string> groups;
};

inline bool is_url(std::string_view file_or_url) {
  return file_or_url.contains("://");
}

}  // namespace penstock::identity
