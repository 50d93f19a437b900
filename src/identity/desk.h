// Where credentials are checked, for all workers: what was right lately is known at once; the rest
// waits in line for one of the threads that serve() here, and whoever sends the same credentials
// meanwhile waits for the same check. Wrong ones are counted by client address.
// Thread: any; serve() and serve_outside() take their own until close().   Lifetime: outlives
// whoever asks.   Limits: kWaitingMax checks in line.
#pragma once

#include <condition_variable>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <variant>
#include <vector>

#include "admission/denial.h"
#include "base/secret.h"
#include "fetch/fetcher.h"
#include "identity/attempts.h"
#include "identity/checker.h"
#include "identity/key_source.h"
#include "identity/keyed_hash.h"
#include "identity/verified.h"

namespace penstock::identity {

class Desk {
 public:
  static constexpr size_t kWaitingMax = 1024;  // in each line
  static constexpr size_t kOutsideMax = 64;    // questions to authorizers on their way

  struct Question {
    CheckerPtr checker;
    Claim claim;                 // its texts may go when ask() returns
    admission::Ration failures;  // that an address may have; none: no limit
    Instant now;
    Instant deadline;  // nobody waits longer
  };
  struct Answer {
    Result<IdentityPtr> who;
    std::string why{};  // of a refusal, for the program's log
  };
  class Check;
  using CheckPtr = std::shared_ptr<Check>;

  Desk();
  ~Desk();

  // Known; or refused at once, because too many were wrong (kLoginRate) or wait (kIdentityBusy); or
  // to be checked: then `ring` is called, on another thread, when there is an answer.
  std::variant<IdentityPtr, admission::Denial, CheckPtr> ask(const Question& question,
                                                             std::move_only_function<void()> ring);
  // Empty: it is still being checked.
  std::optional<Answer> answer(const CheckPtr& check) const;

  // Checks what is asked until close(); several threads may.
  void serve();
  // Asks what must be asked elsewhere until close(); one thread does. It has a line of its own, and
  // checks that need a key which is not there wait for it meanwhile: neither holds up anybody else.
  void serve_outside();
  // The sources whose keys are kept up to date by that; those of before no longer are.
  void follow(std::vector<KeySourcePtr> sources);
  // Both return after what they are at; what waits stays without an answer.
  void close();

  size_t waiting() const;
  size_t verified() const { return verified_.size(); }

 private:
  CheckPtr join(const Digest& credentials, std::move_only_function<void()>& ring);
  std::expected<bool, Duration> count_guess(const Question& question, const Digest& guess);
  void conclude(Check& check, const Checked& checked, Instant now);
  void send_away(Check& check);
  void settle(Check& check, Answer answer);
  void check_now(const CheckPtr& check, Instant deadline, uint64_t news);
  void put_aside(const CheckPtr& check, uint64_t news);
  void take_up_again();
  void start_fetches(fetch::Fetcher& fetcher, Instant& next);
  void start_questions(fetch::Fetcher& fetcher);

  const KeyedHash hash_;
  Verified verified_;
  Attempts attempts_;
  mutable std::mutex mutex_;
  std::condition_variable called_;
  bool closed_ = false;  // guarded by mutex_, as is all below
  std::deque<CheckPtr> line_;
  std::deque<CheckPtr> outside_;  // the line of what is asked elsewhere
  std::vector<CheckPtr> aside_;   // until keys have been fetched
  uint64_t news_ = 0;             // how often some were, or could not be
  std::vector<KeySourcePtr> sources_;
  std::unique_ptr<fetch::Fetcher> fetcher_;                // null: nobody serves outside
  std::unordered_map<Digest, CheckPtr, DigestHash> open_;  // in line or being checked
  std::unordered_map<Digest, int, DigestHash> guesses_;    // credentials of a client in these
};

}  // namespace penstock::identity
