// Clients that break the rules, or keep them and mean harm: each attack by its name. All of it is
// frames by hand.
#include <gtest/gtest.h>

#include "h2/rig_test.h"

namespace penstock::h2 {
namespace {

class Attack : public Http2 {
 protected:
  Attack() { greet(); }

  // Says it until the session has had enough; how often that was.
  template <class Words>
  int repeat(int most, Words&& words) {
    for (int i = 0; i < most; ++i) {
      say(words(i));
      if (session_.failure()) return i + 1;
    }
    return most;
  }
};

TEST_F(Http2, EndsAtAWrongPreface) {
  say("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");
  expect_failure(Code::kHttp2Broken);
  expect_goaway(Reset::kProtocolError);
}

TEST_F(Http2, EndsWhereSettingsShouldStandFirst) {
  say(kPreface);
  say(frame(kPing, 0, 0, "12345678"));
  expect_failure(Code::kHttp2Broken);
}

// CVE-2023-44487: each pair costs the client two frames.
TEST_F(Attack, RapidReset) {
  const int stood = repeat(5000, [](int i) {
    const StreamId id = 2 * i + 1;
    return headers(id, connect_block(kTo)) + reset_frame(id);
  });
  EXPECT_EQ(stood, 513);
  expect_failure(Code::kHttp2Flood);
  expect_goaway(Reset::kEnhanceYourCalm);
}

TEST_F(Attack, ResetsThatTakeTheirTimeAreNone) {
  const int stood = repeat(5000, [this](int i) {
    now_ += std::chrono::milliseconds(20);
    const StreamId id = 2 * i + 1;
    return headers(id, connect_block(kTo)) + reset_frame(id);
  });
  EXPECT_EQ(stood, 5000);
}

TEST_F(Attack, ResetsOfTunnelsAreNone) {
  for (StreamId id = 1; id < 4000; id += 2) {
    open(id);
    say(reset_frame(id));
  }
  EXPECT_FALSE(session_.failure());
}

// CVE-2025-8671: the client breaks a rule so that the proxy does the resetting.
TEST_F(Attack, MadeYouResetByAWindowUpdateOfZero) {
  const int stood = repeat(5000, [](int i) {
    const StreamId id = 2 * i + 1;
    return headers(id, connect_block(kTo)) + frame(kWindowUpdate, 0, id, number(0, 4));
  });
  EXPECT_LE(stood, 514);
  EXPECT_TRUE(session_.failure());
}

TEST_F(Attack, MadeYouResetByAWindowThatOverflows) {
  const int stood = repeat(5000, [](int i) {
    const StreamId id = 2 * i + 1;
    return headers(id, connect_block(kTo)) + frame(kWindowUpdate, 0, id, number(0x7fffffff, 4));
  });
  EXPECT_LE(stood, 514);
  expect_failure(Code::kHttp2Flood);
}

TEST_F(Attack, MadeYouResetByDataBehindTheEnd) {
  const int stood = repeat(5000, [](int i) {
    const StreamId id = 2 * i + 1;
    return headers(id, connect_block(kTo), kEndStream) + frame(kData, 0, id, "x");
  });
  EXPECT_LE(stood, 514);
  EXPECT_TRUE(session_.failure());
}

TEST_F(Attack, MadeYouResetByHeadersInATunnel) {
  const int stood = repeat(5000, [this](int i) {
    const StreamId id = 2 * i + 1;
    open(id);
    return headers(id, field("a", "b"), kEndStream);
  });
  EXPECT_EQ(stood, 513);
  expect_failure(Code::kHttp2Flood);
}

// RFC 9113 section 8.5: DATA and nothing else; trailers as well.
TEST_F(Attack, HeadersInATunnelResetIt) {
  for (const uint8_t flags : {uint8_t{0}, kEndStream}) {
    const StreamId id = flags != 0 ? 3 : 1;
    open(id);
    frames_.clear();
    say(headers(id, field("a", "b"), flags));
    ASSERT_EQ(took(kResetStream).size(), 1u);
    EXPECT_EQ(took(kResetStream)[0].code(), static_cast<uint32_t>(Reset::kProtocolError));
    EXPECT_EQ(stream(id).was_closed, Reset::kProtocolError);
  }
}

// CVE-2024-28182 and its like.
TEST_F(Attack, ContinuationFlood) {
  say(frame(kHeaders, 0, 1, connect_block(kTo)));
  const int stood = repeat(1000, [](int) { return frame(kContinuation, 0, 1, field("a", "b")); });
  EXPECT_LE(stood, 9);
  expect_failure(Code::kHttp2Flood);
  EXPECT_TRUE(streams_.empty());
}

TEST_F(Attack, EmptyContinuationsAreAFloodAsWell) {
  say(frame(kHeaders, 0, 1, connect_block(kTo)));
  EXPECT_LE(repeat(1000, [](int) { return frame(kContinuation, 0, 1); }), 9);
}

TEST_F(Attack, AHeadThatIsTooLargeIsRefusedAndNoMore) {
  std::string block = connect_block(kTo);
  for (int i = 0; i < 20; ++i) block += field("x", std::string(1000, 'v'));
  say(frame(kHeaders, 0, 1, std::string_view(block).substr(0, 16384)) +
      frame(kContinuation, kEndHeaders, 1, std::string_view(block).substr(16384)));
  ASSERT_TRUE(streams_.contains(1));
  EXPECT_EQ(stream(1).request->error().code, Code::kHeadTooLarge);
  EXPECT_FALSE(session_.failure());
  open(3);
}

TEST_F(Attack, AHugeHeaderListEndsTheConnection) {
  std::string block = connect_block(kTo);
  while (block.size() < 140'000) block += field("x", std::string(1000, 'v'));
  say(frame(kHeaders, 0, 1, std::string_view(block).substr(0, 16384)));
  for (size_t at = 16384; at < block.size() && !session_.failure(); at += 16384) {
    say(frame(kContinuation, 0, 1, std::string_view(block).substr(at, 16384)));
  }
  expect_failure(Code::kHttp2Flood);
  EXPECT_TRUE(streams_.empty());
}

// A field that is put into the table once, and named by one byte ever after.
TEST(HpackBomb, FindsNoTableAndEndsTheConnectionBeforeItsSettingsAreKnown) {
  class Silent : public Http2 {
   public:
    void TestBody() override {
      say(kPreface);
      say(frame(kSettings, 0, 0));  // and ours is not acknowledged: the old table still holds
      std::string block = connect_block(kTo).substr(kNoTable.size());
      const std::string value(3900, 'v');
      block += std::string("\x40\x01x\x7f", 4);
      size_t rest = value.size() - 127;
      for (; rest >= 128; rest >>= 7) block += static_cast<char>(rest % 128 + 128);
      block += static_cast<char>(rest);
      block += value;
      block.append(10'000, '\xbe');
      say(frame(kHeaders, kEndHeaders, 1, block));
      expect_failure(Code::kHttp2Flood);
      EXPECT_TRUE(streams_.empty());
    }
  };
  Silent().TestBody();
}

TEST_F(Attack, ATableIsNotToBeHadOnceTheSettingsAreKnown) {
  // Incremental indexing and a reference to it; there is nothing at index 62.
  say(headers(1, connect_block(kTo) + std::string("\x40\x01x\x01y\xbe", 6)));
  EXPECT_TRUE(session_.failure());
  EXPECT_TRUE(streams_.empty());
}

TEST_F(Attack, PingFlood) {
  EXPECT_LE(repeat(5000, [](int) { return frame(kPing, 0, 0, "12345678"); }), 1025);
  expect_failure(Code::kHttp2Flood);
  expect_goaway(Reset::kEnhanceYourCalm);
}

TEST_F(Attack, PingsWhoseAnswersNobodyTakes) {
  for (int i = 0; i < 1000 && !session_.failure(); ++i) {
    session_.feed(bytes_of(frame(kPing, 0, 0, "12345678")), now_);
  }
  expect_failure(Code::kHttp2Flood);
}

TEST_F(Attack, SettingsFlood) {
  EXPECT_LE(repeat(5000, [](int) { return frame(kSettings, 0, 0); }), 1025);
  expect_failure(Code::kHttp2Flood);
}

TEST_F(Attack, EmptyDataFlood) {
  open(1);
  EXPECT_LE(repeat(5000, [](int) { return frame(kData, 0, 1); }), 1025);
  expect_failure(Code::kHttp2Flood);
}

TEST_F(Attack, PriorityFlood) {
  EXPECT_LE(
      repeat(5000,
             [](int i) { return frame(kPriority, 0, 2 * i + 1, number(0, 4) + number(1, 1)); }),
      1025);
  expect_failure(Code::kHttp2Flood);
}

TEST_F(Attack, WindowUpdatesByTheByte) {
  open(1);
  EXPECT_LE(repeat(5000, [](int) { return frame(kWindowUpdate, 0, 1, number(1, 4)); }), 1025);
  expect_failure(Code::kHttp2Flood);
}

TEST_F(Attack, WindowUpdatesForWhatWasSentAreNone) {
  Noted& tunnel = open(1);
  const int stood = repeat(5000, [&](int) {
    tunnel.to_send = std::string(16384, 'd');
    session_.resume(1);
    listen();
    frames_.clear();
    std::string words;
    for (int i = 0; i < 16; ++i) {
      words +=
          frame(kWindowUpdate, 0, 1, number(1024, 4)) + frame(kWindowUpdate, 0, 0, number(1024, 4));
    }
    return words;
  });
  EXPECT_EQ(stood, 5000);
}

TEST_F(Attack, MoreThanTheWindowOfAStream) {
  open(1);
  say(frame(kData, 0, 1, std::string(16384, 'x')) + frame(kData, 0, 1, std::string(16384, 'x')) +
      frame(kData, 0, 1, std::string(16384, 'x')) + frame(kData, 0, 1, std::string(16384, 'x')) +
      frame(kData, 0, 1, "x"));
  EXPECT_EQ(stream(1).heard.size(), 65536u);
  EXPECT_TRUE(session_.failure() || stream(1).was_closed);
}

TEST_F(Attack, MoreStreamsThanThereMayBe) {
  for (StreamId id = 1; id < 2 * 128; id += 2) open(id);
  EXPECT_FALSE(session_.failure());
  say(headers(257, connect_block(kTo)));
  EXPECT_EQ(streams_.size(), 128u);
  EXPECT_TRUE(session_.failure() || !took(kResetStream).empty());
}

TEST_F(Attack, AFrameThatIsTooLarge) {
  open(1);
  say(frame(kData, 0, 1, std::string(16385, 'x')));
  expect_failure(Code::kHttp2Broken);
}

TEST_F(Attack, WhatFollowsTheEndIsNotUnderstood) {
  repeat(5000, [](int) { return frame(kPing, 0, 0, "12345678"); });
  say(headers(1, connect_block(kTo)));
  EXPECT_TRUE(streams_.empty());
}

// A flood and a request in one piece: the request is behind what ended the connection.
TEST_F(Attack, NoRequestIsHeardBehindAFloodInOnePiece) {
  std::string words;
  for (int i = 0; i < 1100; ++i) words += frame(kPing, 0, 0, "12345678");
  say(words + headers(1, connect_block(kTo)));
  EXPECT_TRUE(session_.failure());
  EXPECT_TRUE(streams_.empty());
}

}  // namespace
}  // namespace penstock::h2
