// A file of users and password hashes, "user:hash" a line, as `htpasswd` and `mkpasswd` write them.
// Hashes are yescrypt ($y$), bcrypt ($2b$, $2a$, $2y$) or SHA-512 ($6$), by libcrypt. Others are
// refused when the file is read: a file that looks protected and is not is worse than an error.
// Thread: any, once read.   Cost: check() takes as long as the hash was made to take, tens of
// milliseconds, and some 16 MiB with yescrypt: never on a loop.   Limits: 8 MiB, 100,000 users.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/fault.h"

namespace penstock::identity {

inline constexpr size_t kUsersBytesMax = 8 * 1024 * 1024;
inline constexpr size_t kUsersMax = 100'000;

class Passwords {
 public:
  // Everything that is wrong with `text`, by line, or the users in it. Empty lines and lines that
  // begin with '#' are none.
  static std::expected<Passwords, Faults> parse(std::string_view text);

  // Whether that is the user's password. A user who does not exist takes as long as one who does:
  // his password is compared with somebody's, always the same's, and the answer thrown away.
  bool check(std::string_view user, std::string_view password) const;

  // The hash that the file has for `user`; empty: none.
  std::string_view hash_of(std::string_view user) const;
  size_t size() const { return hashes_.size(); }

 private:
  std::unordered_map<std::string, size_t> users_;  // to the place in hashes_
  std::vector<std::string> hashes_;
  uint64_t seed_ = 0;  // of whose hash a stranger is compared with
};

}  // namespace penstock::identity
