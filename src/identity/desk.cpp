#include "identity/desk.h"

#include <chrono>
#include <utility>

#include "identity/desk_check.h"

namespace penstock::identity {
namespace {

// The wall's clock is what a token's dates are of.
int64_t seconds_since_1970() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

admission::Denial busy() {
  return {Error{Code::kIdentityBusy}, {}, std::nullopt};
}

}  // namespace

Desk::Desk() = default;

Desk::~Desk() {
  close();
}

// Whoever sends what is being checked already waits for that check.
Desk::CheckPtr Desk::join(const Digest& credentials, std::move_only_function<void()>& ring) {
  const auto found = open_.find(credentials);
  if (found == open_.end()) return nullptr;
  found->second->ringers.push_back(std::move(ring));
  return found->second;
}

// Whether it has been counted; or how long its client must wait. One set of credentials that he
// sends for many destinations at once is one guess; and a ticket cannot be guessed, so that many of
// them at once are no attack, and are counted when they are wrong.
std::expected<bool, Duration> Desk::count_guess(const Question& question, const Digest& guess) {
  const auto& [checker, claim, failures, now, deadline] = question;
  if (!claim.scheme) return false;
  if (!checker->repeats()) {
    if (const auto wait = attempts_.must_wait(failures, claim.client, now)) {
      return std::unexpected(*wait);
    }
    return false;
  }
  if (guesses_[guess]++ != 0) return false;
  const auto wait = attempts_.begin(failures, claim.client, now);
  if (!wait) return true;
  guesses_.erase(guess);
  return std::unexpected(*wait);
}

std::variant<IdentityPtr, admission::Denial, Desk::CheckPtr> Desk::ask(
    const Question& question, std::move_only_function<void()> ring) {
  const Checker& checker = *question.checker;
  const Claim& claim = question.claim;
  const char scheme = claim.scheme ? static_cast<char>(*claim.scheme) : '-';
  const Digest credentials = hash_.of({{&scheme, 1}, checker.basis(claim), claim.secret});
  if (IdentityPtr who = verified_.find(credentials, question.now)) return who;
  const Digest guess = hash_.of({{&scheme, 1}, claim.client.text(), claim.secret});
  const std::lock_guard lock(mutex_);
  if (closed_) return busy();
  if (checker.repeats()) {
    if (CheckPtr check = join(credentials, ring)) {
      check->deadline = std::max(check->deadline, question.deadline);
      return check;
    }
  }
  const bool remote = checker.remote() != nullptr;
  if ((remote ? outside_.size() : line_.size() + aside_.size()) >= kWaitingMax) return busy();
  const auto counted = count_guess(question, guess);
  if (!counted) return admission::Denial{Error{Code::kLoginRate}, counted.error(), std::nullopt};
  auto check = std::make_shared<Check>(question, credentials, guess, *counted);
  check->ringers.push_back(std::move(ring));
  if (checker.repeats()) open_.emplace(credentials, check);
  (remote ? outside_ : line_).push_back(check);
  if (!remote) called_.notify_one();
  if (remote && fetcher_) fetcher_->wake();
  return check;
}

std::optional<Desk::Answer> Desk::answer(const CheckPtr& check) const {
  const std::lock_guard lock(mutex_);
  return check->answer;
}

void Desk::settle(Check& check, Answer answer) {
  std::vector<std::move_only_function<void()>> ringers;
  {
    const std::lock_guard lock(mutex_);
    check.answer = std::move(answer);
    if (check.checker->repeats()) open_.erase(check.credentials);
    const auto guess = guesses_.find(check.guess);
    if (guess != guesses_.end() && --guess->second == 0) guesses_.erase(guess);
    ringers.swap(check.ringers);
  }
  for (auto& ring : ringers) ring();
}

void Desk::serve() {
  for (;;) {
    CheckPtr check;
    Instant deadline;
    uint64_t news;
    {
      std::unique_lock lock(mutex_);
      called_.wait(lock, [this] { return closed_ || !line_.empty(); });
      if (closed_) return;
      check = std::move(line_.front());
      line_.pop_front();
      deadline = check->deadline;
      news = news_;
    }
    check_now(check, deadline, news);
  }
}

void Desk::check_now(const CheckPtr& check, Instant deadline, uint64_t news) {
  const Instant now = Clock::now();
  if (deadline <= now) return send_away(*check);
  const Checked checked = check->checker->check(check->claim(), seconds_since_1970());
  if (checked.later) return put_aside(check, news);
  conclude(*check, checked, now);
}

// Whoever asked has gone.
void Desk::send_away(Check& check) {
  check.secret = Secret();
  if (check.counts_as_wrong) attempts_.forgive(check.failures, check.claim().client);
  settle(check, {fail(Code::kIdentityBusy)});
}

// `now`: when the check began.
void Desk::conclude(Check& check, const Checked& checked, Instant now) {
  check.secret = Secret();
  // It was not wrong where it could not be checked.
  const bool wrong = !checked.who && facts(checked.who.error()).status == 407;
  const IpAddress client = check.claim().client;
  if (!wrong && check.counts_as_wrong) attempts_.forgive(check.failures, client);
  if (wrong && !check.checker->repeats()) (void)attempts_.begin(check.failures, client, now);
  if (!checked.who) return settle(check, {fail(checked.who.error()), checked.why});
  if (checked.good_for > Duration::zero() && check.checker->repeats()) {
    // Under what it depended on when it was asked: if that has changed since, nobody finds it.
    verified_.add(check.credentials, *checked.who, now + checked.good_for);
  }
  settle(check, {*checked.who});
}

void Desk::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  line_.clear();
  aside_.clear();
  outside_.clear();
  open_.clear();
  guesses_.clear();
  called_.notify_all();
  if (fetcher_) fetcher_->wake();
}

size_t Desk::waiting() const {
  const std::lock_guard lock(mutex_);
  return line_.size() + aside_.size() + outside_.size();
}

}  // namespace penstock::identity
