// The providers of identity as they were written, in their order.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "base/time.h"
#include "identity/certificate.h"
#include "identity/identity.h"

namespace penstock::identity {

using LocatedWords = std::vector<Located<std::string>>;

// What an external authorizer is asked about: clients that send such credentials, or none.
enum class Asked : uint8_t { kBasic, kBearer, kNone };
// What it is told beside them. An answer is for all that was told.
enum class Told : uint8_t { kClient, kListener, kMethod, kAuthority };

struct ProviderSpec {
  Place place;
  Provider kind = Provider::kClients;
  // kClients
  LocatedWords clients;
  std::string identity;
  // kCertificate
  CertificateField certificate = CertificateField::kSubject;
  // kBasic: files of users and of groups, the second also of kNegotiate; it may be empty
  Located<std::string> basic;
  Located<std::string> groups_file;
  // kJwt
  Located<std::string> jwt;  // a file with a JSON Web Key Set, or the URL of one
  std::string issuer;
  std::vector<std::string> audience;  // one of them must be named
  std::string identity_claim = "sub";
  std::string groups_claim = "groups";
  Duration leeway = std::chrono::seconds(30);
  // kNegotiate: a file of keys, and whose they are; empty: HTTP on any host
  Located<std::string> negotiate;
  std::string service;
  std::string strip_realm;  // empty: every principal keeps its realm
  // kAuthorizer
  Located<std::string> authorizer;  // a URL
  std::vector<Asked> credentials = {Asked::kBasic};
  std::vector<Told> tells = {Told::kClient, Told::kListener, Told::kMethod, Told::kAuthority};
  std::string identity_field;  // of its answer; empty: the answer is JSON
  std::string groups_field;
  // what is asked over HTTP: kAuthorizer, and kJwt if it is by URL
  Located<std::string> ca;                      // a file; empty: the system's roots
  Duration timeout = std::chrono::seconds(5);   // for one answer
  Duration refresh = std::chrono::minutes(15);  // of keys
  // kBasic, kJwt and kAuthorizer
  std::string realm = "penstock";
  Duration cache = std::chrono::minutes(5);  // how long an answer is believed; zero: not at all
  // all: groups of whoever is identified here
  std::vector<std::string> groups;
};

inline bool is_url(std::string_view file_or_url) {
  return file_or_url.contains("://");
}

}  // namespace penstock::identity
