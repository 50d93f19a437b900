#include "identity/desk.h"

#include <chrono>
#include <utility>

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

class Desk::Check {
 public:
  explicit Check(const Question& question, const Digest& digest)
      : credentials(digest),
        checker(question.checker),
        secret(question.secret),
        client(question.client),
        failures(question.failures),
        deadline(question.deadline) {}

  const Digest credentials;
  const CheckerPtr checker;
  Secret secret;  // until it has been checked
  const IpAddress client;
  const admission::Ration failures;
  Instant deadline;                                      // of the last who joined
  std::vector<std::move_only_function<void()>> ringers;  // guarded by the desk's mutex, as is
  std::optional<Answer> answer;
};

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

std::variant<IdentityPtr, admission::Denial, Desk::CheckPtr> Desk::ask(
    const Question& question, std::move_only_function<void()> ring) {
  const char scheme = static_cast<char>(question.checker->scheme());
  const Digest credentials =
      hash_.of({{&scheme, 1}, question.checker->basis(question.secret), question.secret});
  if (IdentityPtr who = verified_.find(credentials, question.now)) return who;
  const std::lock_guard lock(mutex_);
  if (closed_) return busy();
  if (CheckPtr check = join(credentials, ring)) {
    check->deadline = std::max(check->deadline, question.deadline);
    return check;
  }
  if (line_.size() + aside_.size() >= kWaitingMax) return busy();
  if (const auto wait = attempts_.begin(question.failures, question.client, question.now)) {
    return admission::Denial{Error{Code::kLoginRate}, *wait, std::nullopt};
  }
  auto check = std::make_shared<Check>(question, credentials);
  check->ringers.push_back(std::move(ring));
  open_.emplace(credentials, check);
  line_.push_back(check);
  called_.notify_one();
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
    open_.erase(check.credentials);
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
  if (deadline <= now) {  // whoever asked has gone
    check->secret = Secret();
    attempts_.forgive(check->failures, check->client);
    return settle(*check, {fail(Code::kIdentityBusy)});
  }
  const Checked checked = check->checker->check(check->secret.view(), seconds_since_1970());
  if (checked.later) return put_aside(check, news);
  check->secret = Secret();
  if (!checked.who) {
    // It was not wrong where it could not be checked.
    if (facts(checked.who.error()).status != 407) {
      attempts_.forgive(check->failures, check->client);
    }
    return settle(*check, {fail(checked.who.error()), checked.why});
  }
  attempts_.forgive(check->failures, check->client);
  if (checked.good_for > Duration::zero()) {
    // Under what it depended on when it was asked: if that has changed since, nobody finds it.
    verified_.add(check->credentials, *checked.who, now + checked.good_for);
  }
  settle(*check, {*checked.who});
}

void Desk::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  line_.clear();
  aside_.clear();
  open_.clear();
  called_.notify_all();
  if (fetcher_) fetcher_->wake();
}

size_t Desk::waiting() const {
  const std::lock_guard lock(mutex_);
  return line_.size() + aside_.size();
}

}  // namespace penstock::identity
