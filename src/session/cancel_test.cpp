// Leaving, and being ended, at every step of a connection's life: one log line, and nothing stays
// behind, neither frame nor permit nor descriptor.
#include <gtest/gtest.h>

#include "session/connection.h"
#include "session/rig_test.h"

namespace penstock::session {
namespace {

enum class At {
  kStart,
  kHead,
  kResolve,
  kDial,
  kSilence,
  kPartOfAHello,
  kServerFirst,
  kCarry,
  kHalfClosed,
  kRefused,
};

struct Stage {
  At at;
  const char* name;
  bool established;
};

constexpr Stage kStages[] = {
    {At::kStart, "BeforeTheFirstByte", false},
    {At::kHead, "InTheMiddleOfTheHead", false},
    {At::kResolve, "WhileTheNameIsLookedUp", false},
    {At::kDial, "WhileTheOriginIsDialled", false},
    {At::kSilence, "BeforeTheFirstByteOfTheTunnel", true},
    {At::kPartOfAHello, "InTheMiddleOfAClientHello", true},
    {At::kServerFirst, "AfterTheOriginSpokeFirst", true},
    {At::kCarry, "WhileBytesAreCarried", true},
    {At::kHalfClosed, "AfterTheOriginClosed", true},
    {At::kRefused, "AfterARefusal", false},
};

class Ending : public Session, public testing::WithParamInterface<Stage> {
 protected:
  void SetUp() override {
    begin();
    // The resolver opens its sockets at the first question and keeps them for the next.
    warm_up_the_resolver();
    descriptors_ = open_descriptors();
    frames_ = loop::live_frames();
  }

  void reach() {
    switch (GetParam().at) {
      case At::kStart: client_ = connect(); return settle_turns();
      case At::kHead:
        client_ = connect();
        client_->say("CONNECT 127.0.0");
        return settle_turns();
      case At::kResolve:
        client_ = ask("silent.example:443");
        return until([&] { return names_.asked(); });
      case At::kDial:
        client_ = ask(silent_.authority());
        return until([&] { return open_descriptors() == descriptors_ + 3; });
      case At::kRefused:
        client_ = ask("refused.test:443");
        return until([&] { return client_->listen(), client_->got_end(); });
      default: return reach_into_a_tunnel();
    }
  }

  void expect_no_trace() {
    client_.reset();
    far_.reset();
    until_settled();
    settle_turns();
    expect_nothing_held();
    // A look-up that was begun is finished for whoever asks for the name next.
    if (GetParam().at == At::kResolve) {
      until([&] { return names_.answer(), loop::live_frames() == frames_; });
    }
    EXPECT_EQ(loop::live_frames(), frames_);
    EXPECT_EQ(open_descriptors(), descriptors_);
  }

  std::optional<Peer> client_;
  std::optional<Peer> far_;
  size_t descriptors_ = 0;

 private:
  void warm_up_the_resolver() {
    Peer client = ask("warm.example:443");
    until([&] { return names_.asked(); });
    until([&] { return names_.answer(), client.listen(), client.over(); });
    client.close();
    until_settled();
    lines_.clear();
  }
  void reach_into_a_tunnel() {
    auto both = tunnel(origin_);
    client_ = std::move(both.first);
    far_ = std::move(both.second);
    switch (GetParam().at) {
      case At::kPartOfAHello: client_->say(client_hello("a.example").substr(0, 20)); break;
      case At::kServerFirst:
        far_->say("220 ready");
        until_heard(*client_, "220 ready");
        break;
      case At::kCarry:
        client_->say("hello");
        until_heard(*far_, "hello");
        break;
      case At::kHalfClosed:
        client_->say("hello");
        until_heard(*far_, "hello");
        far_->end();
        until([&] { return client_->listen(), client_->got_end(); });
        break;
      default: break;
    }
    settle_turns();
  }

  const Origin origin_;
  const SilentOrigin silent_;
};

TEST_P(Ending, FromOutsideLeavesNothing) {
  reach();
  ASSERT_EQ(worker_->live(), 1u);
  EXPECT_GT(loop::live_frames(), frames_);
  worker_->end_all(Code::kDrained);
  EXPECT_EQ(worker_->live(), 0u);
  EXPECT_EQ(lines_.size(), 1u) << "settled before end() returned";
  EXPECT_EQ(door_.pending(), 0u);
  until_over(*client_);
  if (GetParam().at == At::kRefused) {
    EXPECT_EQ(lines_[0]["error"], "name_denied") << "what it was refused for stands";
  } else {
    EXPECT_TRUE(client_->got_reset() || GetParam().at == At::kHalfClosed);
    EXPECT_EQ(lines_[0]["error"], "drained");
    EXPECT_EQ(lines_[0]["outcome"], GetParam().established ? "cut" : "refused");
    EXPECT_EQ(ended(GetParam().established ? Outcome::kCut : Outcome::kRefused, Code::kDrained),
              1u);
  }
  expect_no_trace();
}

TEST_P(Ending, ByAClientThatClosesLeavesNothing) {
  reach();
  client_->close();
  far_.reset();
  expect_no_trace();
  if (GetParam().at == At::kRefused) {
    EXPECT_EQ(lines_[0]["error"], "name_denied");
  } else if (!GetParam().established) {
    EXPECT_EQ(lines_[0]["outcome"], "left");
    EXPECT_EQ(lines_[0]["error"], "client_gone");
    EXPECT_EQ(lines_[0]["status"], 0);
    EXPECT_EQ(ended(Outcome::kLeft, Code::kClientGone), 1u);
  } else {
    EXPECT_EQ(lines_[0]["status"], 200);
  }
}

TEST_P(Ending, ByAClientThatResetsLeavesNothing) {
  reach();
  client_->reset();
  if (GetParam().established) {
    until_over(*far_);
    EXPECT_TRUE(far_->got_reset() || GetParam().at == At::kHalfClosed);
  }
  expect_no_trace();
  if (GetParam().at == At::kRefused) return;
  EXPECT_EQ(lines_[0]["outcome"], GetParam().established ? "cut" : "left") << lines_[0];
  EXPECT_EQ(lines_[0]["error"], GetParam().established ? "client_reset" : "client_gone");
}

TEST_P(Ending, WithItsWorkerLeavesNothing) {
  reach();
  worker_.reset();
  EXPECT_EQ(lines_.size(), 1u);
  EXPECT_EQ(loop::live_frames(), 0);
  EXPECT_EQ(door_.seats_taken(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Step, Ending, testing::ValuesIn(kStages),
                         [](const auto& stage) { return std::string(stage.param.name); });

}  // namespace
}  // namespace penstock::session
