#include "icap/answer.h"

#include <gtest/gtest.h>

#include <string>

namespace penstock::icap {
namespace {

using namespace std::chrono_literals;

std::expected<Answer, AnswerFault> read(const std::string& text, Method method = Method::kRespmod,
                                        size_t inside_max = 4096) {
  AnswerReader reader(method, inside_max);
  const auto complete = reader.advance(text);
  if (!complete) return std::unexpected(complete.error());
  EXPECT_TRUE(*complete) << "there is more of " << text;
  return reader.answer(text);
}

std::string ok(const std::string& fields) {
  return "ICAP/1.0 200 OK\r\n" + fields + "\r\n";
}

AnswerFault fault(const std::string& text, Method method = Method::kRespmod) {
  const auto answer = read(text, method);
  EXPECT_FALSE(answer) << text;
  return answer ? AnswerFault{} : answer.error();
}

TEST(IcapAnswer, SaysWhereTheMessageInsideBeginsAndEnds) {
  const auto answer = read(ok("ISTag: \"x\"\r\nEncapsulated: res-hdr=0, res-body=137\r\n"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->inside.head, Part::kAnswer);
  EXPECT_EQ(answer->inside.head_bytes, 137u);
  EXPECT_TRUE(answer->inside.body);
  EXPECT_EQ(answer->istag, "\"x\"");
  EXPECT_FALSE(answer->close);
}

TEST(IcapAnswer, KnowsAMessageWithoutABody) {
  const auto answer = read(ok("Encapsulated: req-hdr=0, null-body=40\r\n"), Method::kReqmod);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->inside.head, Part::kRequest);
  EXPECT_FALSE(answer->inside.body);
}

TEST(IcapAnswer, TakesAnAnswerInPlaceOfARequest) {
  const auto answer = read(ok("Encapsulated: res-hdr=0, res-body=40\r\n"), Method::kReqmod);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->inside.head, Part::kAnswer);
}

TEST(IcapAnswer, TakesNoRequestInPlaceOfAnAnswer) {
  EXPECT_EQ(fault(ok("Encapsulated: req-hdr=0, req-body=40\r\n")), AnswerFault::kEncapsulated);
}

TEST(IcapAnswer, RefusesPartsThatLeaveAnythingOpen) {
  for (const char* const list : {
           "res-body=0",                                // whose head?
           "res-hdr=0",                                 // where does it end?
           "res-hdr=0, res-body=0",                     // it is empty
           "res-hdr=1, res-body=40",                    // something stands in front of it
           "res-hdr=0, res-body=40, null-body=50",      // two ends
           "req-hdr=0, res-hdr=10, res-body=40",        // two heads
           "res-hdr=0, req-body=40",                    // of another message
           "res-hdr=0, res-body=-40",                   //
           "res-hdr=0, res-body=040",                   //
           "res-hdr=0, res-body=99999999999999999999",  //
           "res-hdr=0; res-body=40",                    //
           "",                                          //
           "res-hdr=0,,res-body=40",                    //
           "a=0, b=1, c=2, d=3",                        //
       }) {
    EXPECT_EQ(fault(ok(std::string("Encapsulated: ") + list + "\r\n")), AnswerFault::kEncapsulated)
        << list;
  }
}

TEST(IcapAnswer, RefusesTwoEncapsulatedAndNone) {
  EXPECT_EQ(fault(ok("Encapsulated: res-hdr=0, res-body=40\r\n"
                     "Encapsulated: res-hdr=0, null-body=40\r\n")),
            AnswerFault::kEncapsulated);
  EXPECT_EQ(fault(ok("")), AnswerFault::kEncapsulated);
}

TEST(IcapAnswer, RefusesAHeadInsideThatIsTooLarge) {
  EXPECT_EQ(fault(ok("Encapsulated: res-hdr=0, res-body=4097\r\n")), AnswerFault::kTooLarge);
}

TEST(IcapAnswer, NeedsNoEncapsulatedWhereNothingIsInside) {
  const auto answer = read("ICAP/1.0 204 No Content\r\nConnection: Keep-Alive, Close\r\n\r\n");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 204);
  EXPECT_EQ(answer->inside.head, Part::kNothing);
  EXPECT_TRUE(answer->close);
  EXPECT_TRUE(read("ICAP/1.0 204 No Content\r\nEncapsulated: null-body=0\r\n\r\n"));
  EXPECT_TRUE(read("ICAP/1.0 100\r\n\r\n"));
}

TEST(IcapAnswer, RefusesWhatIsNoHeadOfIcap) {
  EXPECT_EQ(fault("HTTP/1.1 200 OK\r\n\r\n"), AnswerFault::kNotIcap);
  EXPECT_EQ(fault("ICAP/1.1 200 OK\r\n\r\n"), AnswerFault::kNotIcap);
  EXPECT_EQ(fault("ICAP/1.0 20 OK\r\n\r\n"), AnswerFault::kStatusLine);
  EXPECT_EQ(fault("ICAP/1.0 2000 OK\r\n\r\n"), AnswerFault::kStatusLine);
  EXPECT_EQ(fault("ICAP/1.0 600 OK\r\n\r\n"), AnswerFault::kStatusLine);
  EXPECT_EQ(fault("ICAP/1.0 204 No\nISTag: x\r\n\r\n"), AnswerFault::kLineEnding);
  EXPECT_EQ(fault("ICAP/1.0 204 No\r\nISTag x\r\n\r\n"), AnswerFault::kField);
  EXPECT_EQ(fault("ICAP/1.0 204 No\r\nISTag : x\r\n\r\n"), AnswerFault::kField);
  EXPECT_EQ(fault(std::string("ICAP/1.0 204 No\r\nISTag: \0\r\n\r\n", 30)), AnswerFault::kField);
}

TEST(IcapAnswer, StepsOverFoldedLinesThatDecideNothing) {
  // As c-icap's virus_scan writes it.
  const auto answer = read(
      ok("X-Infection-Found: Type=0; Resolution=2; Threat=Test;\r\nX-Violations-Found: 1\r\n\t-\r\n"
         "\tTest: 1\r\nEncapsulated: res-hdr=0, res-body=161\r\n"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->threat, "Type=0; Resolution=2; Threat=Test;");
  EXPECT_EQ(answer->inside.head_bytes, 161u);
  EXPECT_EQ(fault(ok("Encapsulated: res-hdr=0,\r\n res-body=161\r\n")), AnswerFault::kField);
  EXPECT_EQ(fault("ICAP/1.0 204 No\r\n folded\r\n\r\n"), AnswerFault::kField);
}

TEST(IcapAnswer, IsBoundedInBytesAndFields) {
  std::string fields;
  for (size_t i = 0; i <= AnswerReader::kFieldsMax; ++i) fields += "A: b\r\n";
  EXPECT_EQ(fault(ok(fields)), AnswerFault::kTooLarge);
  EXPECT_EQ(fault(ok("A: " + std::string(AnswerReader::kBytesMax, 'b') + "\r\n")),
            AnswerFault::kTooLarge);
  const auto long_words = read(ok("ISTag: " + std::string(1000, 'i') +
                                  "\r\nX-Infection-Found: " + std::string(1000, 't') +
                                  "\r\nEncapsulated: res-hdr=0, res-body=9\r\n"));
  ASSERT_TRUE(long_words);
  EXPECT_EQ(long_words->istag.size(), AnswerReader::kIstagMax);
  EXPECT_EQ(long_words->threat.size(), AnswerReader::kThreatMax);
}

TEST(IcapAnswer, DoesNotDependOnHowItIsCut) {
  const std::string text = ok("Encapsulated: res-hdr=0, res-body=137\r\n") + "HTTP/1.1";
  AnswerReader reader(Method::kRespmod, 4096);
  for (size_t size = 0; size < text.size() - 8; ++size) {
    EXPECT_EQ(reader.advance(std::string_view(text).substr(0, size)), false);
  }
  EXPECT_EQ(reader.advance(text), true);
  EXPECT_EQ(reader.answer(text)->length, text.size() - 8);
}

TEST(IcapOptions, AreReadAsCIcapSaysThem) {
  const Options options =
      read_options(ok("Methods: RESPMOD, REQMOD\r\nISTag: \"CI0001\"\r\nTransfer-Preview: *\r\n"
                      "Options-TTL: 360\r\nPreview: 1024\r\nAllow: 204\r\nMax-Connections: 20\r\n"
                      "Encapsulated: null-body=0\r\n"));
  EXPECT_TRUE(options.reqmod);
  EXPECT_TRUE(options.respmod);
  EXPECT_EQ(options.preview, 1024u);
  EXPECT_EQ(options.ttl, 360s);
  EXPECT_EQ(options.connections, 20u);
  EXPECT_EQ(options.istag, "\"CI0001\"");
  EXPECT_EQ(options.transfer_of("/a/b.exe"), Transfer::kPreview);
}

TEST(IcapOptions, WithoutATtlAreGoodForAnHourAtMost) {
  EXPECT_EQ(read_options(ok("")).ttl, Options::kTtlMax);
  EXPECT_EQ(read_options(ok("Options-TTL: 999999\r\n")).ttl, Options::kTtlMax);
  EXPECT_EQ(read_options(ok("Options-TTL: 0\r\n")).ttl, 0s);
}

TEST(IcapOptions, SayWhatIsWantedByTheFilesExtension) {
  const Options options = read_options(
      ok("Transfer-Preview: exe\r\nTransfer-Ignore: jpg, PNG,gif\r\nTransfer-Complete: *\r\n"));
  EXPECT_EQ(options.transfer_of("/x/setup.EXE"), Transfer::kPreview);
  EXPECT_EQ(options.transfer_of("/x/logo.png"), Transfer::kIgnore);
  EXPECT_EQ(options.transfer_of("/x.jpg/page"), Transfer::kComplete);
  EXPECT_EQ(options.transfer_of("/"), Transfer::kComplete);
  std::string many = "Transfer-Ignore: a";
  for (int i = 0; i < 1000; ++i) many += ",b" + std::to_string(i);
  EXPECT_EQ(read_options(ok(many + "\r\n")).extensions[1].size(), Options::kExtensionsMax);
}

TEST(IcapOptions, AloneMayHaveABodyOfTheirOwn) {
  const auto answer = read(ok("Encapsulated: opt-body=0\r\n"), Method::kOptions);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->inside.body);
  EXPECT_EQ(fault(ok("Encapsulated: res-hdr=0, res-body=9\r\n"), Method::kOptions),
            AnswerFault::kEncapsulated);
}

}  // namespace
}  // namespace penstock::icap
