// What a well-behaved client sees, and how windows follow what was consumed. Those who are not are
// in attacks_test.cpp.
#include "h2/session.h"

#include <gtest/gtest.h>

#include "h2/rig_test.h"

namespace penstock::h2 {
namespace {

TEST_F(Http2, GreetsWithItsLimits) {
  say(kPreface);
  say(frame(kSettings, 0, 0));
  const auto settings = took(kSettings);
  ASSERT_EQ(settings.size(), 2u);
  const auto entry = [](int id, uint64_t value) {
    return number(static_cast<uint64_t>(id), 2) + number(value, 4);
  };
  EXPECT_EQ(settings[0].payload,
            entry(1, 0) + entry(3, 128) + entry(4, 65536) + entry(6, 16384) + entry(9, 1));
  EXPECT_EQ(settings[1].flags, kAck);
  EXPECT_FALSE(session_.over());
}

TEST_F(Http2, CarriesATunnelBothWaysAndItsEnds) {
  greet();
  Noted& tunnel = open(1);
  ASSERT_TRUE(tunnel.request && *tunnel.request);
  EXPECT_EQ((*tunnel.request)->target.text(), kTo);
  ASSERT_EQ(took(kHeaders).size(), 1u);
  EXPECT_EQ(took(kHeaders)[0].flags & kEndStream, 0);
  say(frame(kData, 0, 1, "up"));
  EXPECT_EQ(tunnel.heard, "up");
  tunnel.to_send = "down";
  session_.resume(1);
  listen();
  ASSERT_EQ(took(kData).size(), 1u);
  EXPECT_EQ(took(kData)[0].payload, "down");
  say(frame(kData, kEndStream, 1));
  EXPECT_TRUE(tunnel.has_ended);
  EXPECT_FALSE(tunnel.was_closed);
  tunnel.to_send = "still there";
  tunnel.end_after = true;
  session_.resume(1);
  listen();
  EXPECT_EQ(took(kData).back().payload, "still there");
  EXPECT_EQ(took(kData).back().flags, kEndStream);
  EXPECT_EQ(tunnel.was_closed, Reset::kNoError);
}

TEST_F(Http2, PassesAResetOn) {
  greet();
  Noted& tunnel = open(1);
  say(reset_frame(1));
  EXPECT_EQ(tunnel.was_closed, Reset::kCancel);
  EXPECT_EQ(session_.counts().client_resets, 1u);
}

TEST_F(Http2, ResetsAStreamWithoutAWordFromItAfterwards) {
  greet();
  Noted& tunnel = open(1);
  session_.forget(1);
  session_.reset(1, Reset::kConnectError);
  listen();
  ASSERT_EQ(took(kResetStream).size(), 1u);
  EXPECT_EQ(took(kResetStream)[0].code(), static_cast<uint32_t>(Reset::kConnectError));
  EXPECT_FALSE(tunnel.was_closed);
  say(frame(kData, 0, 1, "late"));
  EXPECT_EQ(tunnel.heard, "");
  EXPECT_FALSE(session_.failure());
}

TEST_F(Http2, TakesDataAheadOfTheAnswer) {
  greet();
  say(headers(1, connect_block(kTo)) + frame(kData, 0, 1, "early"));
  EXPECT_EQ(stream(1).heard, "early");
}

TEST_F(Http2, SaysNoInAnAnswerWithText) {
  greet();
  say(headers(1, connect_block("a.example")));
  EXPECT_EQ(stream(1).request->error().code, Code::kMissingPort);
  EXPECT_EQ(stream(1).asked, "CONNECT a.example");
  stream(1).to_send = "why";
  stream(1).end_after = true;
  session_.answer(1, {{":status", "400"}, {"proxy-status", "penstock"}});
  listen();
  ASSERT_EQ(took(kData).size(), 1u);
  EXPECT_EQ(took(kData)[0].payload, "why");
  EXPECT_EQ(took(kData)[0].flags, kEndStream);
}

TEST_F(Http2, RefusesStreamsThatItsOwnerHasNoRoomFor) {
  greet();
  full_ = true;
  say(headers(1, connect_block(kTo)));
  ASSERT_EQ(took(kResetStream).size(), 1u);
  EXPECT_EQ(took(kResetStream)[0].code(), static_cast<uint32_t>(Reset::kRefusedStream));
  full_ = false;
  open(3);
}

TEST_F(Http2, OpensTheWindowOfAStreamAsItsBytesAreConsumed) {
  greet();
  open(1);
  for (int i = 0; i < 4; ++i) say(frame(kData, 0, 1, std::string(16384, 'x')));
  for (const Frame& update : took(kWindowUpdate)) EXPECT_EQ(update.id, 0) << "the stream's is shut";
  frames_.clear();
  session_.consumed(1, 65536);
  listen();
  ASSERT_EQ(took(kWindowUpdate).size(), 1u);
  EXPECT_EQ(took(kWindowUpdate)[0].id, 1);
  EXPECT_EQ(took(kWindowUpdate)[0].code(), 65536u);
}

// What stands still on some streams must not shut the connection's window for the others.
TEST_F(Http2, KeepsTheConnectionOpenWhileStreamsStandStill) {
  greet();
  uint64_t window = Limits().windows_more;
  for (StreamId id = 1; id < 60; id += 2) {
    open(id);
    for (int i = 0; i < 4; ++i) say(frame(kData, 0, id, std::string(16384, 'x')));
    window -= 65536;
    for (const Frame& update : took(kWindowUpdate)) {
      if (update.id == 0) window += update.code();
    }
    frames_.clear();
    EXPECT_GE(window, Limits().windows_more / 2);
  }
  EXPECT_FALSE(session_.failure());
}

class Windows : public Http2 {
 protected:
  static constexpr uint32_t kFirst = Limits().window;

  // How wide the window of a stream has come to be once it has sent so many times 64 KiB, `pause`
  // apart, of which `held` bytes are not consumed. Updates come late, so it is what the client knew
  // at the best of times.
  uint32_t after(StreamId id, int times, Duration pause = {}, size_t held = 0) {
    uint32_t window = kFirst;
    uint32_t widest = window;
    for (; times > 0; --times) {
      now_ += pause;
      for (int i = 0; i < 4; ++i) {
        say(frame(kData, 0, id, std::string(kFirst / 4, 'x')));
        window -= kFirst / 4;
        session_.consumed(id, kFirst / 4 - std::exchange(held, 0));
        listen();
        for (const Frame& update : took(kWindowUpdate)) {
          if (update.id == id) window += update.code();
        }
        frames_.clear();
        widest = std::max(widest, window);
      }
    }
    EXPECT_FALSE(session_.failure());
    return widest;
  }
};

TEST_F(Windows, GrowWhereBytesGoOnAtOnce) {
  greet();
  open(1);
  open(3);
  EXPECT_EQ(after(1, 1), kFirst);
  EXPECT_EQ(after(3, 2), 2 * kFirst);
  EXPECT_EQ(after(1, 100), 16 * kFirst);
}

TEST_F(Windows, StayWhereLittleComes) {
  greet();
  open(1);
  EXPECT_EQ(after(1, 32, std::chrono::milliseconds(1001)), kFirst);
}

TEST_F(Windows, StayWhereAnythingIsHeld) {
  greet();
  open(1);
  EXPECT_EQ(after(1, 32, {}, 1), kFirst);
}

TEST_F(Windows, OfOneConnectionGrowByALimitedSum) {
  greet();
  uint32_t more = 0;
  for (StreamId id = 1; id < 20; id += 2) {
    open(id);
    more += after(id, 64) - kFirst;
  }
  EXPECT_EQ(more, Limits().windows_more);
  say(reset_frame(1));
  open(21);
  EXPECT_EQ(after(21, 64), 16 * kFirst) << "what one gives back another may have";
}

TEST_F(Http2, SendsNoMoreThanTheClientsWindow) {
  greet();
  Noted& tunnel = open(1);
  tunnel.to_send = std::string(200'000, 'd');
  session_.resume(1);
  listen();
  EXPECT_EQ(tunnel.to_send.size(), 200'000u - 65'535u);
  say(frame(kWindowUpdate, 0, 1, number(1000, 4)));
  EXPECT_EQ(tunnel.to_send.size(), 200'000u - 65'535u) << "the connection's is shut as well";
  say(frame(kWindowUpdate, 0, 0, number(1000, 4)));
  EXPECT_EQ(tunnel.to_send.size(), 200'000u - 66'535u);
}

TEST_F(Http2, LetsStreamsTakeTurns) {
  greet();
  say(frame(kWindowUpdate, 0, 0, number(1 << 20, 4)));
  for (StreamId id = 1; id < 9; id += 2) open(id).to_send = std::string(60'000, 'd');
  frames_.clear();
  for (StreamId id = 1; id < 9; id += 2) session_.resume(id);
  listen();
  const auto data = took(kData);
  ASSERT_EQ(data.size(), 16u);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(data[i].id, static_cast<StreamId>(2 * i + 1));
}

TEST_F(Http2, GoesAwayWithoutHarmToItsTunnels) {
  greet();
  Noted& tunnel = open(1);
  session_.go_away();
  listen();
  ASSERT_EQ(took(kGoaway).size(), 1u);
  EXPECT_EQ(took(kGoaway)[0].code(), 0u);
  say(headers(3, connect_block(kTo)));
  EXPECT_FALSE(streams_.contains(3)) << "the client knows that it was not looked at";
  say(frame(kData, kEndStream, 1, "last"));
  EXPECT_EQ(tunnel.heard, "last");
  EXPECT_FALSE(session_.over());
  tunnel.end_after = true;
  session_.resume(1);
  listen();
  EXPECT_TRUE(session_.over());
  EXPECT_FALSE(session_.failure());
}

}  // namespace
}  // namespace penstock::h2
