#include "identity/htpasswd.h"

#include <crypt.h>
#include <string.h>
#include <sys/random.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "base/ascii.h"
#include "base/words.h"
#include "identity/identity.h"

namespace penstock::identity {
namespace {

// libcrypt takes no longer phrase (CRYPT_MAX_PASSPHRASE_SIZE).
constexpr size_t kPasswordBytesMax = 511;
constexpr size_t kHashBytesMax = 384;

constexpr std::string_view kRight =
    "write it anew with htpasswd -B (bcrypt) or mkpasswd -m yescrypt";

// What is wrong with it; empty: nothing.
std::string why_not(std::string_view hash) {
  const auto begins = [&](std::string_view with) { return hash.starts_with(with); };
  if (hash.empty()) return "has no hash; " + std::string(kRight);
  if (begins("$apr1$") || begins("$1$")) {
    return "has an MD5 hash, which a desktop breaks in hours; " + std::string(kRight);
  }
  if (begins("{")) return "has an unsalted hash in braces; " + std::string(kRight);
  const bool known =
      begins("$y$") || begins("$2a$") || begins("$2b$") || begins("$2y$") || begins("$6$");
  if (!known && begins("$")) {
    return "has a hash of a kind that is not taken ($y$, $2b$ and $6$ are); " + std::string(kRight);
  }
  if (!known) return "has a plain or DES password; " + std::string(kRight);
  if (hash.size() > kHashBytesMax) return "has a hash that is too long";
  return {};
}

// As crypt(3) has its output: printable, no colon.
bool is_hash_text(std::string_view hash) {
  return std::ranges::all_of(hash, [](char c) {
    return is_alpha(c) || is_digit(c) || c == '.' || c == '/' || c == '$' || c == '=' || c == ',';
  });
}

// Whether crypt can do what `hash` says: a setting that it does not know fails at once, and would
// refuse its user for ever.
bool is_setting(const std::string& hash) {
  const int verdict = ::crypt_checksalt(hash.c_str());
  return verdict == CRYPT_SALT_OK || verdict == CRYPT_SALT_METHOD_LEGACY ||
         verdict == CRYPT_SALT_TOO_CHEAP;
}

// A hash that was cut short has the form of a setting and never matches.
bool is_whole(std::string_view hash) {
  const std::string_view digest = hash.substr(hash.rfind('$') + 1);
  if (hash.starts_with("$2")) return hash.size() == 60;
  if (hash.starts_with("$6$")) return digest.size() == 86 && std::ranges::count(hash, '$') >= 3;
  return digest.size() == 43 && std::ranges::count(hash, '$') == 4;
}

bool equal_in_time(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char differ = 0;
  for (size_t i = 0; i < a.size(); ++i) differ |= static_cast<unsigned char>(a[i] ^ b[i]);
  return differ == 0;
}

bool matches(const std::string& hash, std::string_view password) {
  // 32 KiB, which the password passes through.
  const auto room = std::make_unique<crypt_data>();
  std::string phrase(password);
  const char* const made = ::crypt_r(phrase.c_str(), hash.c_str(), room.get());
  const bool out = made != nullptr && made[0] != '*' && equal_in_time(made, hash);
  ::explicit_bzero(phrase.data(), phrase.size());
  ::explicit_bzero(room.get(), sizeof(crypt_data));
  return out;
}

}  // namespace

std::expected<Passwords, Faults> Passwords::parse(std::string_view text) {
  Passwords out;
  Faults faults;
  if (text.size() > kUsersBytesMax) return std::unexpected(Faults{{{}, "is larger than 8 MiB"}});
  for (int number = 1; !text.empty(); ++number) {
    std::string_view line = take_line(text);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    // Never the line itself: it may be a password.
    const auto blame = [&](const std::string& what) { faults.push_back({{number, 1}, what}); };
    const size_t colon = line.find(':');
    if (colon == line.npos || !is_name(line.substr(0, colon))) {
      blame("is not user:hash");
      continue;
    }
    const std::string user(line.substr(0, colon));
    // htpasswd and crypt write nothing behind the hash; shadow(5) does.
    std::string hash(line.substr(colon + 1));
    std::string wrong = why_not(hash);
    if (wrong.empty() && (!is_hash_text(hash) || !is_setting(hash) || !is_whole(hash))) {
      wrong = "has a hash that is damaged; " + std::string(kRight);
    }
    if (!wrong.empty()) {
      blame(std::string("user \"").append(user).append("\" ").append(wrong));
    } else if (!out.users_.try_emplace(user, out.hashes_.size()).second) {
      blame("user \"" + user + "\" stands twice");
    } else {
      out.hashes_.push_back(std::move(hash));
    }
  }
  if (out.hashes_.size() > kUsersMax) faults.push_back({{}, "has more than 100000 users"});
  if (!faults.empty()) return std::unexpected(std::move(faults));
  if (::getrandom(&out.seed_, sizeof(out.seed_), 0) < 0) out.seed_ = 1;
  return out;
}

std::string_view Passwords::hash_of(std::string_view user) const {
  const auto found = users_.find(std::string(user));
  return found == users_.end() ? std::string_view() : std::string_view(hashes_[found->second]);
}

bool Passwords::check(std::string_view user, std::string_view password) const {
  if (hashes_.empty() || password.size() > kPasswordBytesMax ||
      password.find('\0') != password.npos) {
    return false;
  }
  const auto found = users_.find(std::string(user));
  if (found != users_.end()) return matches(hashes_[found->second], password);
  const uint64_t of_name = std::hash<std::string_view>()(user) ^ seed_;
  (void)matches(hashes_[of_name * 0x9e3779b97f4a7c15ull % hashes_.size()], password);
  return false;
}

}  // namespace penstock::identity
