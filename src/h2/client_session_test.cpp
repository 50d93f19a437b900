// What goes to an origin and comes from it while both keep the rules; then what breaks one rule of
// one stream. What is meant to harm is in origin_attacks_test.cpp.
#include "h2/client_session.h"

#include <gtest/gtest.h>

#include "h2/origin_rig_test.h"

namespace penstock::h2 {
namespace {

TEST_F(ToOrigin, GreetsWithItsLimitsAndTakesNoPush) {
  listen();
  const auto settings = took(kSettings);
  ASSERT_EQ(settings.size(), 1u);
  EXPECT_EQ(settings[0].payload,
            setting(1, 0) + setting(2, 0) + setting(4, 65536) + setting(6, 16384));
}

TEST_F(ToOrigin, AsksWithoutABodyInOneFrame) {
  greet();
  const NotedAsking& stream = ask();
  EXPECT_EQ(id_, 1);
  ASSERT_EQ(took(kHeaders).size(), 1u);
  EXPECT_TRUE(took(kHeaders)[0].flags & kEndStream);
  EXPECT_TRUE(stream.has_said_all);
  EXPECT_EQ(session_.open(), 1u);
}

TEST_F(ToOrigin, KeepsNoFieldInATableThatOthersCouldProbe) {
  greet();
  ask();
  const std::string first = took(kHeaders)[0].payload;
  ask();
  ask();
  // An update of the table's size stands in front of the first block alone.
  EXPECT_EQ(took(kHeaders)[1].payload, took(kHeaders)[2].payload);
  EXPECT_GE(first.size(), took(kHeaders)[1].payload.size());
  EXPECT_EQ(took(kHeaders)[2].payload.size(), first.size() - (first[0] == '\x20' ? 1 : 0));
}

TEST_F(ToOrigin, ReadsAnAnswerAndItsBody) {
  greet();
  const NotedAsking& stream = ask();
  say(headers(1, answer_block("200", field("content-length", "4"))) +
      frame(kData, kEndStream, 1, "body"));
  ASSERT_EQ(stream.answers.size(), 1u);
  EXPECT_EQ(stream.answers[0].head, "HTTP/1.1 200 \r\ncontent-length: 4\r\n\r\n");
  EXPECT_FALSE(stream.whole);
  EXPECT_EQ(stream.heard, "body");
  EXPECT_TRUE(stream.has_ended);
  EXPECT_EQ(stream.was_closed, Reset::kNoError);
  EXPECT_EQ(session_.open(), 0u);
}

TEST_F(ToOrigin, KnowsAnAnswerThatEndsWithItsHead) {
  greet();
  const NotedAsking& stream = ask();
  say(headers(1, answer_block("200", field("grpc-status", "5")), kEndStream));
  EXPECT_TRUE(stream.whole);
  EXPECT_TRUE(stream.has_ended);
  EXPECT_EQ(stream.trailers.size(), 0u);
}

TEST_F(ToOrigin, ReadsInterimAnswersInFrontOfTheOther) {
  greet();
  const NotedAsking& stream = ask();
  say(headers(1, answer_block("103", field("link", "</a>"))) + headers(1, answer_block("100")) +
      headers(1, answer_block("204"), kEndStream));
  ASSERT_EQ(stream.answers.size(), 3u);
  EXPECT_EQ(stream.answers[0].status, 103);
  EXPECT_EQ(stream.answers[2].status, 204);
  EXPECT_TRUE(stream.has_ended);
}

TEST_F(ToOrigin, CarriesTrailersBothWays) {
  greet();
  NotedAsking& stream = ask("POST", false);
  say(headers(1, answer_block("200")) + frame(kData, 0, 1, "early"));
  EXPECT_EQ(stream.heard, "early");  // before the request has ended
  stream.to_send = "up";
  stream.end_after = true;
  stream.trailers_to_send = {{"checksum", "42"}};
  session_.resume(1);
  listen();
  ASSERT_EQ(took(kHeaders).size(), 2u);
  EXPECT_TRUE(took(kHeaders)[1].payload.ends_with("42"));
  EXPECT_TRUE(took(kHeaders)[1].flags & kEndStream);
  EXPECT_TRUE(stream.has_said_all);
  say(headers(1, field("grpc-status", "0"), kEndStream));
  EXPECT_TRUE(stream.has_ended);
  ASSERT_EQ(stream.trailers.size(), 1u);
  EXPECT_EQ(stream.trailers[0].name, "grpc-status");
}

TEST_F(ToOrigin, LeavesOutTrailersThatAReaderCouldTakeForFields) {
  greet();
  const NotedAsking& stream = ask();
  say(headers(1, answer_block("200")) +
      headers(1,
              field("set-cookie", "a=b") + field("content-length", "9") +
                  field("proxy-authenticate", "x") + field("grpc-status", "0"),
              kEndStream));
  ASSERT_EQ(stream.trailers.size(), 1u);
  EXPECT_EQ(stream.trailers[0].name, "grpc-status");
}

TEST_F(ToOrigin, IsGivenOneRequestUntilItHasSaidHowManyItTakes) {
  EXPECT_EQ(session_.width(), 1u);
  EXPECT_FALSE(session_.is_known());
  greet(setting(kMaxStreams, 2));
  EXPECT_EQ(session_.width(), 2u);
  say(frame(kSettings, 0, 0, setting(kMaxStreams, 1'000'000)));
  EXPECT_EQ(session_.width(), Limits().streams);
}

TEST_F(ToOrigin, OpensAWindowAsItsBytesGoOn) {
  greet();
  NotedAsking& stream = ask();
  say(headers(1, answer_block("200")));
  for (int i = 0; i < 4; ++i) say(frame(kData, 0, 1, std::string(16384, 'x')));
  EXPECT_EQ(stream.heard.size(), 65536u);
  for (const Frame& one : took(kWindowUpdate)) EXPECT_EQ(one.id, 0);
  session_.consumed(1, 65536);
  listen();
  EXPECT_EQ(took(kWindowUpdate).back().id, 1);
}

TEST_F(ToOrigin, KnowsWhatAGoawayLeftOut) {
  greet();
  const NotedAsking& first = ask();
  const NotedAsking& second = ask();
  say(frame(kGoaway, 0, 0, number(1, 4) + number(0, 4)));
  EXPECT_TRUE(session_.going());
  EXPECT_FALSE(first.was_closed);
  EXPECT_EQ(second.was_closed, Reset::kRefusedStream);
  ask();
  EXPECT_EQ(id_, 0);
  say(headers(1, answer_block("200"), kEndStream));
  EXPECT_TRUE(first.has_ended);
  EXPECT_TRUE(session_.over());
  EXPECT_FALSE(session_.failure());
}

TEST_F(ToOrigin, TellsResetsApart) {
  greet();
  for (const Reset why : {Reset::kRefusedStream, Reset::kCancel, Reset::kHttp11Required}) {
    const NotedAsking& stream = ask();
    say(reset_frame(id_, why));
    EXPECT_EQ(stream.was_closed, why);
  }
  EXPECT_EQ(session_.open(), 0u);
}

TEST_F(ToOrigin, ForgetsAStreamBeforeItHasBeenSent) {
  greet();
  auto& stream = *streams_.emplace_back(std::make_unique<NotedAsking>());
  const StreamId id = session_.request({{":method", "GET"}}, true, stream);
  session_.forget(id);
  session_.reset(id, Reset::kCancel);
  EXPECT_EQ(session_.open(), 1u);
  listen();
  EXPECT_EQ(session_.open(), 0u);
  EXPECT_FALSE(stream.was_closed);
}

// --- answers that are none ---

TEST_F(ToOrigin, RefusesABodyThatIsLongerThanItSays) {
  greet();
  const NotedAsking& stream = ask();
  say(headers(1, answer_block("200", field("content-length", "3"))) + frame(kData, 0, 1, "four"));
  EXPECT_EQ(stream.heard, "");
  expect_spoilt(stream);
}

TEST_F(ToOrigin, RefusesABodyThatIsShorterThanItSays) {
  greet();
  const NotedAsking& stream = ask();
  say(headers(1, answer_block("200", field("content-length", "5"))) +
      frame(kData, kEndStream, 1, "four"));
  EXPECT_FALSE(stream.has_ended);
  expect_spoilt(stream);
}

TEST_F(ToOrigin, RefusesAHeadThatPromisesABodyAndIsAll) {
  greet();
  const NotedAsking& stream = ask();
  say(headers(1, answer_block("200", field("content-length", "5")), kEndStream));
  expect_spoilt(stream);
}

TEST_F(ToOrigin, TakesALengthWithoutABodyWhereThereIsNone) {
  greet();
  const NotedAsking& head = ask("HEAD");
  say(headers(id_, answer_block("200", field("content-length", "5")), kEndStream));
  EXPECT_TRUE(head.has_ended);
  const NotedAsking& get = ask();
  say(headers(id_, answer_block("304", field("content-length", "5")), kEndStream));
  EXPECT_TRUE(get.has_ended);
}

TEST_F(ToOrigin, RefusesABodyWhereThereIsNone) {
  greet();
  const NotedAsking& stream = ask("HEAD");
  say(headers(1, answer_block("200")) + frame(kData, kEndStream, 1, "x"));
  expect_spoilt(stream);
}

TEST_F(ToOrigin, RefusesABodyInFrontOfItsHead) {
  greet();
  const NotedAsking& stream = ask();
  say(frame(kData, 0, 1, "x"));
  EXPECT_EQ(stream.heard, "");
  EXPECT_TRUE(stream.was_spoilt || stream.was_closed || session_.failure());
}

TEST_F(ToOrigin, RefusesHeadsThatTwoReadersCouldUnderstandDifferently) {
  greet();
  for (const std::string& block : {
           field("server", "x"),                                             // no status
           field(":status", "200") + field(":status", "200"),                //
           field(":status", "0200"),                                         //
           field(":status", "101"),                                          //
           field(":status", "600"),                                          //
           field("server", "x") + field(":status", "200"),                   //
           field(":status", "200") + field(":path", "/"),                    //
           field(":status", "200") + field("Server", "x"),                   //
           field(":status", "200") + field("connection", "close"),           //
           field(":status", "200") + field("transfer-encoding", "chunked"),  //
           field(":status", "200") + field("content-length", "1, 1"),        //
           field(":status", "200") + field("content-length", "0") + field("content-length", "0"),
           field(":status", "200") + field("x", "a\r\nb: c"),       //
           field(":status", "100") + field("content-length", "0"),  //
       }) {
    frames_.clear();
    const NotedAsking& stream = ask();
    say(headers(id_, std::string(kNoTable) + block));
    expect_spoilt(stream);
  }
}

TEST_F(ToOrigin, RefusesAnInterimAnswerThatEnds) {
  greet();
  const NotedAsking& stream = ask();
  say(headers(1, answer_block("103"), kEndStream));
  expect_spoilt(stream);
}

TEST_F(ToOrigin, RefusesTrailersThatAreNone) {
  greet();
  for (const std::string& block :
       {field(":status", "200"), field("connection", "x"), field("Upper", "x")}) {
    frames_.clear();
    const NotedAsking& stream = ask();
    say(headers(id_, answer_block("200")) + headers(id_, block, kEndStream));
    EXPECT_FALSE(stream.has_ended);
    expect_spoilt(stream);
  }
}

TEST_F(ToOrigin, RefusesASecondHeadThatIsNotTheEnd) {
  greet();
  const NotedAsking& stream = ask();
  say(headers(1, answer_block("200")) + headers(1, field("a", "b")));
  expect_spoilt(stream);
}

TEST_F(ToOrigin, RefusesAHeadThatIsTooLarge) {
  greet();
  const NotedAsking& stream = ask();
  std::string block = answer_block("200");
  for (int i = 0; i < 20; ++i) block += field("x", std::string(1000, 'v'));
  say(frame(kHeaders, 0, 1, std::string_view(block).substr(0, 16384)) +
      frame(kContinuation, kEndHeaders, 1, std::string_view(block).substr(16384)));
  expect_spoilt(stream, Code::kResponseTooLarge);
}

}  // namespace
}  // namespace penstock::h2
