// What penstock accepts of a request to be forwarded, llhttp refuses (seldom: a tab behind
// "chunked", a framing field among trailers, which we drop) or reads the same way: the same method
// and target, the same end of head and body, the same content. And what penstock sends on, it
// always reads, as what was received. The other way round is not wanted: llhttp takes much that
// penstock refuses.
#include <dirent.h>
#include <gtest/gtest.h>
#include <llhttp.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "http/forward.h"

namespace penstock::http {
namespace {

constexpr HeadLimits kLimits{16 * 1024, 100};

// One message, as somebody reads it.
struct Reading {
  bool whole = false;
  bool refused = false;
  std::string method;
  std::string target;
  std::string content;
  size_t length = 0;  // of head and body
};

struct Parser {
  llhttp_t state{};
  Reading out;
};

Reading by_llhttp(std::string_view bytes) {
  llhttp_settings_t settings;
  llhttp_settings_init(&settings);
  settings.on_method = [](llhttp_t* state, const char* at, size_t size) {
    static_cast<Parser*>(state->data)->out.method.append(at, size);
    return 0;
  };
  settings.on_url = [](llhttp_t* state, const char* at, size_t size) {
    static_cast<Parser*>(state->data)->out.target.append(at, size);
    return 0;
  };
  settings.on_body = [](llhttp_t* state, const char* at, size_t size) {
    static_cast<Parser*>(state->data)->out.content.append(at, size);
    return 0;
  };
  // An upgrade's bytes are of no interest; without this they would not be read as a body.
  settings.on_message_complete = [](llhttp_t* state) {
    static_cast<Parser*>(state->data)->out.whole = true;
    return static_cast<int>(HPE_PAUSED);
  };
  Parser parser;
  llhttp_init(&parser.state, HTTP_REQUEST, &settings);
  parser.state.data = &parser;
  const auto result = llhttp_execute(&parser.state, bytes.data(), bytes.size());
  if (parser.out.whole && (result == HPE_PAUSED || result == HPE_PAUSED_UPGRADE)) {
    parser.out.length = static_cast<size_t>(llhttp_get_error_pos(&parser.state) - bytes.data());
  }
  parser.out.refused = result != HPE_OK && !parser.out.whole;
  return parser.out;
}

// Empty: refused or not whole.
struct Ours {
  ForwardRequest request;
  Reading reading;
  std::string sent;  // what the origin would get
};

std::optional<Ours> by_penstock(std::string_view bytes) {
  HeadReader reader(kLimits);
  if (!reader.advance(bytes).value_or(false)) return std::nullopt;
  const auto head = bytes.substr(0, reader.length());
  auto request = parse_forward(head, kLimits, "penstock-1");
  if (!request) return std::nullopt;
  Ours out{std::move(*request), {}, {}};
  BodyReader body = out.request.body;
  size_t at = reader.length();
  while (at < bytes.size() && !body.done()) {
    const auto piece = body.next(bytes.substr(at));
    if (!piece) return std::nullopt;
    out.reading.content += piece->content;
    at += piece->taken;
  }
  if (!body.done()) return std::nullopt;
  out.reading.whole = true;
  out.reading.method = out.request.method;
  const size_t space = head.find(' ');
  out.reading.target = head.substr(space + 1, head.find(' ', space + 1) - space - 1);
  out.reading.length = at;
  out.sent = out.request.head;
  if (out.request.coding == Coding::kChunked) {
    char size[20];
    snprintf(size, sizeof(size), "%zx\r\n", out.reading.content.size());
    if (!out.reading.content.empty()) out.sent += size + out.reading.content + "\r\n";
    out.sent += "0\r\n\r\n";
  } else {
    out.sent += out.reading.content;
  }
  return out;
}

// llhttp knows a list of methods, penstock any token.
bool known_to_llhttp(std::string_view method) {
  constexpr std::string_view kKnown[] = {"GET",    "HEAD",    "POST", "PUT",
                                         "DELETE", "OPTIONS", "PATCH"};
  return std::ranges::find(kKnown, method) != std::end(kKnown);
}

bool compare(std::string_view bytes) {
  const auto ours = by_penstock(bytes);
  if (!ours || !known_to_llhttp(ours->request.method)) return false;
  const Reading theirs = by_llhttp(bytes);
  if (!theirs.refused) {
    EXPECT_TRUE(theirs.whole) << testing::PrintToString(std::string(bytes));
    EXPECT_EQ(theirs.method, ours->reading.method);
    EXPECT_EQ(theirs.target, ours->reading.target);
    EXPECT_EQ(theirs.content, ours->reading.content) << testing::PrintToString(std::string(bytes));
    EXPECT_EQ(theirs.length, ours->reading.length) << testing::PrintToString(std::string(bytes));
  }
  const Reading sent = by_llhttp(ours->sent);
  EXPECT_TRUE(sent.whole) << testing::PrintToString(ours->sent);
  EXPECT_EQ(sent.content, ours->reading.content) << testing::PrintToString(ours->sent);
  EXPECT_EQ(sent.length, ours->sent.size()) << testing::PrintToString(ours->sent);
  return true;
}

std::vector<std::string> seeds() {
  std::vector<std::string> out;
  for (const char* corpus : {"forward", "head"}) {
    const std::string folder = std::string(CORPUS) + "/" + corpus;
    DIR* const directory = opendir(folder.c_str());
    if (directory == nullptr) continue;
    while (const dirent* entry = readdir(directory)) {
      if (entry->d_name[0] == '.') continue;
      std::ifstream file(folder + "/" + entry->d_name, std::ios::binary);
      std::string text(std::istreambuf_iterator<char>(file), {});
      if (!text.empty() && !text.starts_with("HTTP/")) out.push_back(std::move(text));
    }
    closedir(directory);
  }
  std::ranges::sort(out);
  return out;
}

std::string mutated(std::string text, Random& random, const std::vector<std::string>& all) {
  constexpr std::string_view kPieces[] = {"\r\n",
                                          "\n",
                                          "\r",
                                          "\t",
                                          " ",
                                          ":",
                                          ";",
                                          ",",
                                          "0",
                                          "5",
                                          "chunked",
                                          "\r\n\r\n",
                                          "\x80",
                                          "#",
                                          "Content-Length: 5\r\n",
                                          "Transfer-Encoding: chunked\r\n",
                                          "\r\n ",
                                          "a",
                                          "Transfer-Encoding: x\r\n",
                                          "Content-Length: 0\r\n",
                                          "0\r\n\r\n",
                                          "\x01",
                                          "+",
                                          "FFFFFFFF"};
  for (uint64_t times = 1 + random.below(3); times > 0; --times) {
    const size_t at = random.below(text.size() + 1);
    switch (random.below(4)) {
      case 0: text.insert(at, kPieces[random.below(std::size(kPieces))]); break;
      case 1: text.erase(at, 1 + random.below(3)); break;
      case 2:
        if (at < text.size()) text[at] = static_cast<char>(random.below(256));
        break;
      default: {
        const std::string& other = all[random.below(all.size())];
        text.insert(at, other.substr(random.below(other.size()), random.below(20)));
      }
    }
  }
  return text;
}

TEST(Llhttp, ReadsTheSeedsAsWeDo) {
  int accepted = 0;
  for (const std::string& seed : seeds()) accepted += compare(seed) ? 1 : 0;
  EXPECT_GE(accepted, 10) << "nothing was compared";
}

TEST(Llhttp, ReadsWhatHasBeenTamperedWithAsWeDo) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  const std::vector<std::string> all = seeds();
  int accepted = 0;
  for (int i = 0; i < 100'000 && !testing::Test::HasFailure(); ++i) {
    accepted += compare(mutated(all[random.below(all.size())], random, all)) ? 1 : 0;
  }
  EXPECT_GE(accepted, 1000) << "too little was compared";
}

}  // namespace
}  // namespace penstock::http
