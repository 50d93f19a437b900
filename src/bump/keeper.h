// The proxy's side of the key keeper (bump/keep_key.h): starts it, asks it, and starts it again.
// Thread: one at a time. The first start() is by a thread that lives as long as the keeper shall:
// the kernel ends a keeper with the thread that started it.
#pragma once

#include <expected>
#include <string>

#include "bump/signet.h"
#include "sys/child.h"

namespace penstock::bump {

class Keeper {
 public:
  // `program`: has the command keep-key. `digest`: SHA-256 of the certificate that the keeper must
  // find in its file. `patience`: with one signature.
  Keeper(std::string program, KeyFiles files, std::string digest, Duration patience)
      : program_(std::move(program)),
        files_(std::move(files)),
        digest_(std::move(digest)),
        patience_(patience) {}

  // Ends the one before. At most 10 s: a passphrase is slow on purpose.
  std::expected<void, Signet::Fault> start(std::string* warning);

  enum class Trouble { kGone, kRefused };
  // The signature of `draft` (bump/signet.h). `why`: of a refusal. A keeper that is gone, or does
  // not answer in time, is to be started.
  std::expected<std::string, Trouble> sign(const std::string& draft, std::string* why);

  bool runs() const { return static_cast<bool>(child_); }
  pid_t pid() const { return child_.pid(); }

 private:
  // Nothing: it is gone, or does not answer.
  std::string hear();

  const std::string program_;
  const KeyFiles files_;
  const std::string digest_;
  const Duration patience_;
  sys::Child child_;
};

}  // namespace penstock::bump
