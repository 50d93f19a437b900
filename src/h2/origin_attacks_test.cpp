// Origins that mean harm: each attack by its name.
#include <gtest/gtest.h>

#include "h2/origin_rig_test.h"

namespace penstock::h2 {
namespace {

class OriginAttack : public ToOrigin {
 protected:
  OriginAttack() { greet(); }

  template <class Words>
  int repeat(int most, Words&& words) {
    for (int i = 0; i < most; ++i) {
      say(words(i));
      if (session_.failure()) return i + 1;
    }
    return most;
  }
};

TEST_F(ToOrigin, EndsWhereItIsNoHttp2) {
  listen();
  say("HTTP/1.1 400 Bad Request\r\n\r\n");
  EXPECT_EQ(session_.failure()->code, Code::kOriginHttp2);
}

TEST_F(OriginAttack, PingFlood) {
  EXPECT_LE(repeat(5000, [](int) { return frame(kPing, 0, 0, "12345678"); }), 1025);
  expect_goaway(Reset::kEnhanceYourCalm);
}

TEST_F(OriginAttack, SettingsFlood) {
  EXPECT_LE(repeat(5000, [](int) { return frame(kSettings, 0, 0); }), 1025);
  expect_goaway(Reset::kEnhanceYourCalm);
}

TEST_F(OriginAttack, EmptyDataFlood) {
  ask();
  say(headers(1, answer_block("200")));
  EXPECT_LE(repeat(5000, [](int) { return frame(kData, 0, 1); }), 1050);
  expect_goaway(Reset::kEnhanceYourCalm);
}

TEST_F(OriginAttack, ResetsOfStreamsThatAreNobodysAnyMore) {
  ask();
  say(headers(1, answer_block("200"), kEndStream));
  EXPECT_LE(repeat(5000, [](int) { return reset_frame(1); }), 1050);
  EXPECT_TRUE(session_.failure());
}

TEST_F(OriginAttack, InterimFlood) {
  const NotedAsking& stream = ask();
  for (int i = 0; i < 100; ++i) say(headers(1, answer_block("103")));
  EXPECT_EQ(stream.answers.size(), 32u);
  expect_spoilt(stream);
}

TEST_F(OriginAttack, ContinuationFlood) {
  ask();
  say(frame(kHeaders, 0, 1, answer_block("200")));
  EXPECT_LE(repeat(1000, [](int) { return frame(kContinuation, 0, 1, field("a", "b")); }), 9);
  expect_goaway(Reset::kEnhanceYourCalm);
}

TEST_F(OriginAttack, AHugeHeaderListEndsTheConnection) {
  const NotedAsking& stream = ask();
  std::string block = answer_block("200");
  while (block.size() < 140'000) block += field("x", std::string(1000, 'v'));
  say(frame(kHeaders, 0, 1, std::string_view(block).substr(0, 16384)));
  for (size_t at = 16384; at < block.size() && !session_.failure(); at += 16384) {
    say(frame(kContinuation, 0, 1, std::string_view(block).substr(at, 16384)));
  }
  expect_goaway(Reset::kEnhanceYourCalm);
  EXPECT_TRUE(stream.answers.empty());
}

TEST_F(OriginAttack, HugeTrailersEndTheConnection) {
  ask();
  say(headers(1, answer_block("200")));
  std::string block;
  while (block.size() < 140'000) block += field("x", std::string(1000, 'v'));
  say(frame(kHeaders, kEndStream, 1, std::string_view(block).substr(0, 16384)));
  for (size_t at = 16384; at < block.size() && !session_.failure(); at += 16384) {
    say(frame(kContinuation, 0, 1, std::string_view(block).substr(at, 16384)));
  }
  EXPECT_TRUE(session_.failure());
}

TEST_F(OriginAttack, APushEndsTheConnection) {
  ask();
  constexpr uint8_t kPushPromise = 5;
  say(frame(kPushPromise, kEndHeaders, 1, number(2, 4) + answer_block("200")));
  ASSERT_TRUE(session_.failure().has_value());
  EXPECT_EQ(session_.failure()->code, Code::kOriginHttp2);
}

TEST(PushBeforeOurSettings, EndsTheConnectionAsWell) {
  class Silent : public ToOrigin {
   public:
    void TestBody() override {
      listen();
      say(frame(kSettings, 0, 0));  // and ours is not acknowledged
      ask();
      constexpr uint8_t kPushPromise = 5;
      say(frame(kPushPromise, kEndHeaders, 1, number(2, 4) + field(":method", "GET")));
      EXPECT_TRUE(session_.failure());
    }
  };
  Silent().TestBody();
}

TEST_F(OriginAttack, MoreThanTheWindowOfAStream) {
  const NotedAsking& stream = ask();
  say(headers(1, answer_block("200")));
  for (int i = 0; i < 5; ++i) say(frame(kData, 0, 1, std::string(16384, 'x')));
  EXPECT_EQ(stream.heard.size(), 65536u);
  EXPECT_TRUE(session_.failure() || stream.was_closed);
}

TEST_F(OriginAttack, AWindowThatOverflowsEndsItsStreamAlone) {
  const NotedAsking& stream = ask("POST", false);
  say(frame(kWindowUpdate, 0, 1, number(0x7fffffff, 4)));
  EXPECT_TRUE(stream.was_closed.has_value());
  EXPECT_FALSE(session_.failure());
}

TEST_F(OriginAttack, WhatComesForAStreamThatNobodyHasIsThrownAway) {
  NotedAsking& stream = ask();
  session_.forget(1);
  session_.reset(1, Reset::kCancel);
  listen();
  say(headers(1, answer_block("200")) + frame(kData, kEndStream, 1, "late"));
  EXPECT_TRUE(stream.answers.empty());
  EXPECT_EQ(stream.heard, "");
  EXPECT_FALSE(session_.failure());
}

}  // namespace
}  // namespace penstock::h2
