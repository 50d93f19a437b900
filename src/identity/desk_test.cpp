#include "identity/desk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <set>
#include <thread>

namespace penstock::identity {
namespace {

using namespace std::chrono_literals;

// Accepts "right"; waits within a check for as long as the test wants.
class FakeChecker final : public Checker {
 public:
  Provider provider() const override { return Provider::kBasic; }
  bool takes(std::optional<http::AuthScheme> scheme) const override {
    return scheme == http::AuthScheme::kBasic;
  }
  bool repeats() const override { return repeats_; }
  std::string basis(const Claim&) const override { return basis_; }
  Checked check(const Claim& claim, int64_t) const override {
    const std::lock_guard waiting(gate_);
    const bool later = later_;  // read before it is counted: the test changes it afterwards
    ++checks_;
    const std::string_view secret = claim.secret;
    if (later) return {.who = std::unexpected(Code::kKeysMissing), .later = true};
    if (secret == "unknowable") return {.who = std::unexpected(Code::kKeysMissing), .why = "none"};
    if (!secret.starts_with("right")) {
      return {std::unexpected(Code::kCredentialsRejected), {}, "wrong"};
    }
    return {std::make_shared<const Identity>(Identity{"ann", {}}), good_for_, {}};
  }
  std::string challenge(http::AuthScheme, std::optional<Code>) const override { return "Basic"; }
  std::optional<News> refresh() const override { return std::nullopt; }

  mutable std::mutex gate_;
  mutable std::atomic<int> checks_ = 0;
  mutable std::atomic<bool> later_ = false;
  std::string basis_ = "basis";
  Duration good_for_ = 1min;
  bool repeats_ = true;
};

// Asks a port where nobody listens, and makes of that what the test wants.
class FarChecker final : public RemoteChecker {
 public:
  Provider provider() const override { return Provider::kAuthorizer; }
  bool takes(std::optional<http::AuthScheme>) const override { return true; }
  std::string basis(const Claim& claim) const override { return std::string(claim.authority); }
  std::string challenge(http::AuthScheme, std::optional<Code>) const override { return "Basic"; }
  fetch::Request request(const Claim&) const override {
    ++asked_;
    return {.url = "http://127.0.0.1:1/", .ca = "", .bytes_max = 1, .timeout = 5s};
  }
  Checked judge(const Claim& claim, const fetch::Outcome& outcome) const override {
    EXPECT_FALSE(outcome);
    if (claim.secret == "denied") return {.who = std::unexpected(Code::kAuthorizerDenied)};
    if (claim.secret != "right") return {.who = std::unexpected(Code::kCredentialsRejected)};
    return {std::make_shared<const Identity>(Identity{std::string(claim.authority), {}}), 1min};
  }

  mutable std::atomic<int> asked_ = 0;
};

class ADesk : public testing::Test {
 protected:
  ~ADesk() override {
    desk_.close();
    for (std::thread& thread : threads_) thread.join();
  }
  void serve() {
    threads_.emplace_back([this] { desk_.serve(); });
  }
  void serve_outside() {
    threads_.emplace_back([this] { desk_.serve_outside(); });
  }

  Desk::Question question(std::string_view secret, Instant now = Clock::now()) const {
    return {.checker = checker_,
            .claim = {.scheme = http::AuthScheme::kBasic, .secret = secret, .client = client_},
            .failures = {3, 1h},
            .now = now,
            .deadline = now + 1h};
  }
  // The same for FarChecker.
  Desk::Question about(std::string_view secret, std::string_view authority) const {
    Desk::Question out = question(secret);
    out.checker = far_;
    out.claim.authority = authority;
    return out;
  }
  // What became of it, when there is something.
  Result<IdentityPtr> ask(const Desk::Question& question) {
    std::promise<void> rung;
    const auto asked = desk_.ask(question, [&rung] { rung.set_value(); });
    if (const auto* known = std::get_if<IdentityPtr>(&asked)) return *known;
    if (const auto* denial = std::get_if<admission::Denial>(&asked)) {
      return std::unexpected(denial->error);
    }
    rung.get_future().wait();
    return desk_.answer(std::get<Desk::CheckPtr>(asked))->who;
  }
  Code refusal(std::string_view secret) {
    const auto who = ask(question(secret));
    EXPECT_FALSE(who);
    return who ? Code::kAborted : who.error().code;
  }

  std::shared_ptr<FakeChecker> checker_ = std::make_shared<FakeChecker>();
  std::shared_ptr<FarChecker> far_ = std::make_shared<FarChecker>();
  IpAddress client_ = IpAddress::from_v4(10, 0, 0, 1);
  Desk desk_;
  std::vector<std::thread> threads_;
};

TEST_F(ADesk, ChecksOnceWhatIsRightAndEachTimeWhatIsWrong) {
  serve();
  for (int i = 0; i < 3; ++i) EXPECT_EQ((*ask(question("right")))->name, "ann");
  EXPECT_EQ(checker_->checks_, 1);
  EXPECT_EQ(desk_.verified(), 1u);
  EXPECT_EQ(refusal("wrong"), Code::kCredentialsRejected);
  EXPECT_EQ(refusal("wrong"), Code::kCredentialsRejected);
  EXPECT_EQ(checker_->checks_, 3);
}

TEST_F(ADesk, ForgetsWithTime) {
  serve();
  const Instant now = Clock::now();
  ASSERT_TRUE(ask(question("right", now)));
  ASSERT_TRUE(ask(question("right", now + 59s)));
  EXPECT_EQ(checker_->checks_, 1);
  ASSERT_TRUE(ask(question("right", now + 2min)));
  EXPECT_EQ(checker_->checks_, 2);
}

TEST_F(ADesk, ForgetsWhatNoLongerRestsOnTheSame) {
  serve();
  ASSERT_TRUE(ask(question("right")));
  checker_->basis_ = "another hash";
  ASSERT_TRUE(ask(question("right")));
  EXPECT_EQ(checker_->checks_, 2);
  checker_->good_for_ = Duration::zero();
  checker_->basis_ = "a third";
  ASSERT_TRUE(ask(question("right")));
  ASSERT_TRUE(ask(question("right")));
  EXPECT_EQ(checker_->checks_, 4) << "what may not be cached is not";
}

TEST_F(ADesk, ChecksOnceForAllWhoSendTheSameMeanwhile) {
  serve();
  serve();
  std::unique_lock gate(checker_->gate_);
  std::atomic<int> rings = 0;
  std::vector<Desk::CheckPtr> checks;
  for (int i = 0; i < 10; ++i) {
    checks.push_back(std::get<Desk::CheckPtr>(desk_.ask(question("right"), [&rings] { ++rings; })));
  }
  EXPECT_EQ(std::set(checks.begin(), checks.end()).size(), 1u);
  EXPECT_FALSE(desk_.answer(checks[0]));
  gate.unlock();
  while (rings < 10) std::this_thread::yield();
  EXPECT_EQ(checker_->checks_, 1);
  EXPECT_TRUE(desk_.answer(checks[0])->who);
}

TEST_F(ADesk, CountsGuessesWhileTheyWaitAndLetsThoseGoThatWereRight) {
  // Nobody serves: all wait.
  const auto start = [&](std::string_view secret) { return desk_.ask(question(secret), [] {}); };
  for (const auto* guess : {"a", "b", "right"}) {
    EXPECT_TRUE(std::holds_alternative<Desk::CheckPtr>(start(guess)));
  }
  const auto fourth = start("d");
  ASSERT_TRUE(std::holds_alternative<admission::Denial>(fourth));
  EXPECT_EQ(std::get<admission::Denial>(fourth).error.code, Code::kLoginRate);
  EXPECT_GT(std::get<admission::Denial>(fourth).retry_after, 19min);
  client_ = IpAddress::from_v4(10, 0, 0, 2);
  EXPECT_TRUE(std::holds_alternative<Desk::CheckPtr>(start("d"))) << "somebody else";
  client_ = IpAddress::from_v4(10, 0, 0, 1);
  serve();
  while (desk_.verified() == 0 || desk_.waiting() != 0) std::this_thread::yield();
  ASSERT_TRUE(ask(question("right")));
  EXPECT_EQ(refusal("e"), Code::kCredentialsRejected) << "what was right is not counted";
  EXPECT_EQ(refusal("f"), Code::kLoginRate);
}

TEST_F(ADesk, HasALineThatEnds) {
  for (size_t i = 0; i < Desk::kWaitingMax; ++i) {
    const std::string secret = "wrong-" + std::to_string(i);
    Desk::Question one = question(secret);
    one.failures = {};
    ASSERT_TRUE(std::holds_alternative<Desk::CheckPtr>(desk_.ask(one, [] {})));
  }
  EXPECT_EQ(desk_.waiting(), Desk::kWaitingMax);
  EXPECT_EQ(refusal("late"), Code::kIdentityBusy);
  desk_.close();
  EXPECT_EQ(refusal("later"), Code::kIdentityBusy);
}

TEST_F(ADesk, DoesNotCheckForThoseWhoHaveGone) {
  Desk::Question late = question("right");
  late.deadline = late.now;
  const auto asked = desk_.ask(late, [] {});
  serve();
  const auto& check = std::get<Desk::CheckPtr>(asked);
  while (!desk_.answer(check)) std::this_thread::yield();
  EXPECT_EQ(desk_.answer(check)->who.error().code, Code::kIdentityBusy);
  EXPECT_EQ(checker_->checks_, 0);
}

TEST_F(ADesk, PutsAsideWhatNeedsKeysUntilAFetchHasEnded) {
  serve();
  checker_->later_ = true;
  std::atomic<bool> rung = false;
  const auto asked = desk_.ask(question("right"), [&rung] { rung = true; });
  while (checker_->checks_ == 0) std::this_thread::yield();
  // Another is not held up by it.
  checker_->later_ = false;
  EXPECT_EQ((*ask(question("right too")))->name, "ann");
  EXPECT_FALSE(rung);
  EXPECT_EQ(desk_.waiting(), 1u);
  // Nobody listens there, so the fetch ends at once; that is news too.
  const auto source = std::make_shared<KeySource>(
      KeySource::Spec{"http://127.0.0.1:1/keys", "", std::chrono::minutes(15), 5s});
  desk_.follow({source});
  serve_outside();
  while (!rung) std::this_thread::yield();
  EXPECT_EQ((*desk_.answer(std::get<Desk::CheckPtr>(asked))->who)->name, "ann");
  EXPECT_EQ(source->facts(Clock::now()).failed, 1u);
  EXPECT_EQ(desk_.waiting(), 0u);
}

TEST_F(ADesk, ChecksEachTimeWhatIsGoodOnce) {
  checker_->repeats_ = false;
  std::atomic<int> rings = 0;
  std::vector<Desk::CheckPtr> checks;
  for (int i = 0; i < 3; ++i) {
    checks.push_back(std::get<Desk::CheckPtr>(desk_.ask(question("right"), [&rings] { ++rings; })));
  }
  EXPECT_EQ(std::set(checks.begin(), checks.end()).size(), 3u) << "nobody joins";
  serve();
  while (rings < 3) std::this_thread::yield();
  EXPECT_TRUE(ask(question("right")));
  EXPECT_EQ(checker_->checks_, 4);
  EXPECT_EQ(desk_.verified(), 0u);
}

TEST_F(ADesk, AsksElsewhereInALineOfItsOwn) {
  // One set of credentials for many destinations is one guess; three are allowed.
  std::atomic<int> rings = 0;
  std::vector<Desk::CheckPtr> checks;
  for (const char* authority : {"a", "b", "c", "d", "e"}) {
    checks.push_back(
        std::get<Desk::CheckPtr>(desk_.ask(about("right", authority), [&rings] { ++rings; })));
  }
  serve();
  EXPECT_EQ((*ask(question("right too")))->name, "ann") << "not held up by them";
  serve_outside();
  while (rings < 5) std::this_thread::yield();
  EXPECT_EQ((*desk_.answer(checks[4])->who)->name, "e");
  EXPECT_EQ((*ask(about("right", "c")))->name, "c");
  EXPECT_EQ(far_->asked_, 5) << "known by what it was told";
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(ask(about("denied", "a")).error().code, Code::kAuthorizerDenied) << "no wrong login";
  }
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(ask(about("wrong", "a")).error().code, Code::kCredentialsRejected);
  }
  EXPECT_EQ(ask(about("wrong", "a")).error().code, Code::kLoginRate);
  Desk::Question nameless = about("", "a");
  nameless.claim.scheme.reset();
  EXPECT_EQ(ask(nameless).error().code, Code::kCredentialsRejected) << "nothing was guessed";
}

TEST_F(ADesk, CountsWhatIsGoodOnceWhenItIsWrong) {
  checker_->repeats_ = false;
  std::atomic<int> rings = 0;
  for (int i = 0; i < 9; ++i) {
    const auto asked = desk_.ask(question("right"), [&rings] { ++rings; });
    EXPECT_TRUE(std::holds_alternative<Desk::CheckPtr>(asked)) << "many at once are no attack";
  }
  serve();
  while (rings < 9) std::this_thread::yield();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(refusal("wrong"), Code::kCredentialsRejected);
  EXPECT_EQ(refusal("wrong"), Code::kLoginRate);
  EXPECT_EQ(refusal("right"), Code::kLoginRate) << "nobody is known here";
}

TEST_F(ADesk, ForgivesNoMoreThanWasCounted) {
  std::atomic<int> rings = 0;
  for (const char* guess : {"wrong", "wronger"}) {
    (void)desk_.ask(about(guess, "a"), [&rings] { ++rings; });
  }
  for (const char* authority : {"a", "b", "c", "d", "e", "f"}) {
    (void)desk_.ask(about("right", authority), [&rings] { ++rings; });
  }
  serve_outside();
  while (rings < 8) std::this_thread::yield();
  EXPECT_EQ(ask(about("wrong", "a")).error().code, Code::kCredentialsRejected);
  EXPECT_EQ(ask(about("wrong", "a")).error().code, Code::kLoginRate);
}

TEST_F(ADesk, HoldsNothingAgainstWhoCouldNotBeChecked) {
  serve();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(refusal("unknowable"), Code::kKeysMissing);
  EXPECT_EQ(refusal("wrong"), Code::kCredentialsRejected);
}

TEST(Attempts, AreBoundedAndForgottenOnceTheyArePaidFor) {
  Attempts attempts;
  const admission::Ration rate{60, 1min};
  Instant now = Clock::now();
  const auto client = [](uint32_t number) {
    return IpAddress::from_v4(10, static_cast<uint8_t>(number >> 16),
                              static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number));
  };
  for (uint32_t i = 0; i < 2 * Attempts::kClientsMax; ++i) {
    EXPECT_EQ(attempts.begin(rate, client(i), now), std::nullopt);
  }
  EXPECT_EQ(attempts.clients(), Attempts::kClientsMax);
  now += 1h;
  for (uint32_t i = 0; i < 2 * Attempts::kClientsMax; ++i) {
    EXPECT_EQ(attempts.begin(rate, client(i), now += 2s), std::nullopt);
  }
  EXPECT_LE(attempts.clients(), 2u);
}

TEST(Attempts, OfASubnetAreOneClients) {
  Attempts attempts;
  const admission::Ration rate{1, 1h};
  const Instant now = Clock::now();
  EXPECT_EQ(attempts.begin(rate, *IpAddress::parse("fd00::1"), now), std::nullopt);
  EXPECT_NE(attempts.begin(rate, *IpAddress::parse("fd00::2"), now), std::nullopt);
  EXPECT_EQ(attempts.begin(rate, *IpAddress::parse("fd00:0:0:1::1"), now), std::nullopt);
  EXPECT_EQ(attempts.begin({}, *IpAddress::parse("fd00::2"), now), std::nullopt) << "no limit";
}

TEST(Verified, KeepsSoManyAndTheOldestGoes) {
  Verified verified;
  const Instant now = Clock::now();
  const auto who = std::make_shared<const Identity>(Identity{"ann", {}});
  const auto digest = [](size_t number) { return sha256(std::to_string(number)); };
  for (size_t i = 0; i <= Verified::kEntriesMax; ++i) verified.add(digest(i), who, now + 1h);
  EXPECT_EQ(verified.size(), Verified::kEntriesMax);
  EXPECT_EQ(verified.find(digest(0), now), nullptr);
  EXPECT_EQ(verified.find(digest(1), now), who);
  EXPECT_EQ(verified.find(digest(1), now + 1h), nullptr);
  EXPECT_EQ(verified.size(), Verified::kEntriesMax - 1);
}

TEST(AKeyedHash, IsItsOwnAndKnowsWhereEachPartEnds) {
  const KeyedHash one;
  const KeyedHash other;
  EXPECT_EQ(one.of({"a", "bc"}), one.of({"a", "bc"}));
  EXPECT_NE(one.of({"a", "bc"}), one.of({"ab", "c"}));
  EXPECT_NE(one.of({"a", "bc"}), one.of({"a", "bc", ""}));
  EXPECT_NE(one.of({"a", "bc"}), other.of({"a", "bc"}));
}

}  // namespace
}  // namespace penstock::identity
