// One check at the desk, from question to answer. For the desk's own files.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "identity/desk.h"

namespace penstock::identity {

class Desk::Check {
 public:
  Check(const Question& question, const Digest& digest, const Digest& guess_digest, bool counted)
      : credentials(digest),
        guess(guess_digest),
        counts_as_wrong(counted),
        checker(question.checker),
        secret(question.claim.secret),
        failures(question.failures),
        deadline(question.deadline),
        claim_(question.claim),
        listener_(question.claim.listener),
        method_(question.claim.method),
        authority_(question.claim.authority) {}

  // Of texts of its own.
  Claim claim() const {
    Claim out = claim_;
    out.secret = secret.view();
    out.listener = listener_;
    out.method = method_;
    out.authority = authority_;
    return out;
  }

  const Digest credentials;
  const Digest guess;
  const bool counts_as_wrong;  // among the attempts of its client, until it is right
  const CheckerPtr checker;
  Secret secret;  // until it has been checked
  const admission::Ration failures;
  Instant deadline;                                      // of the last who joined
  std::vector<std::move_only_function<void()>> ringers;  // guarded by the desk's mutex, as is
  std::optional<Answer> answer;

 private:
  const Claim claim_;
  const std::string listener_;
  const std::string method_;
  const std::string authority_;
};

}  // namespace penstock::identity
