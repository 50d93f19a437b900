#include "cli/cli.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace penstock::cli {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

struct Ran {
  int status;
  std::string out;
  std::string err;
};

Ran penstock(std::vector<std::string> words) {
  words.insert(words.begin(), "penstock");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int status = run(static_cast<int>(words.size()), argv.data());
  Ran ran{status, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
  return ran;
}

class File {
 public:
  explicit File(const std::string& text) {
    path_ = testing::TempDir() + "penstock-XXXXXX";
    const int fd = ::mkstemp(path_.data());
    EXPECT_GE(fd, 0);
    ::close(fd);
    std::ofstream(path_) << text;
  }
  File(const File&) = delete;
  ~File() { ::unlink(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

constexpr const char* kLab = R"(listeners:
  - address: 127.0.0.1:3128
policy:
  rules:
    - name: lab
      allow: ["127.0.0.1:9000-9100", "*.localhost:443"]
      addresses: [127.0.0.0/8]
    - name: web
      allow: ["*:443"]
    - name: not-here
      deny: ["*.test:80"]
)";

TEST(CommandLine, SaysItsVersionBothWays) {
  const Ran flag = penstock({"--version"}), command = penstock({"version"});
  EXPECT_EQ(flag.status, 0);
  EXPECT_EQ(command.status, 0);
  EXPECT_EQ(command.out, "penstock " PENSTOCK_VERSION "\n");
  EXPECT_EQ(flag.out, command.out);
}

TEST(CommandLine, WithoutACommandIsAUsageError) {
  const Ran ran = penstock({});
  EXPECT_EQ(ran.status, 2);
  EXPECT_EQ(ran.out, "");
  EXPECT_THAT(ran.err, HasSubstr("--help"));
}

TEST(CommandLine, WithAnUnknownCommandOrOptionIsAUsageError) {
  EXPECT_EQ(penstock({"serve"}).status, 2);
  const Ran ran = penstock({"run", "--port", "3128"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, HasSubstr("--port"));
}

TEST(CommandLine, NamesTheCommandsThereAre) {
  EXPECT_EQ(penstock({"frobnicate"}).err,
            "no command \"frobnicate\"; there are run, check, explain, plan, probe, load, trace, "
            "ca and version "
            "(--help says more)\n");
}

TEST(CommandLine, HelpsWithEveryCommand) {
  EXPECT_EQ(penstock({"--help"}).status, 0);
  for (const char* command :
       {"run", "check", "explain", "plan", "probe", "load", "ca", "version"}) {
    const Ran ran = penstock({command, "--help"});
    EXPECT_EQ(ran.status, 0) << command;
    EXPECT_THAT(ran.out, HasSubstr(command));
  }
}

TEST(Check, SaysThatAConfigurationIsGood) {
  const File file(kLab);
  const Ran ran = penstock({"check", "--config", file.path()});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.out, file.path() + ": good; 3 rules\n");
}

TEST(Check, ReportsEveryFaultWithItsPlace) {
  const File file("listners: []\nlimits: {head_bytes: 16}\ntimeouts: {idle: soon}\n");
  const Ran ran = penstock({"check", "--config", file.path()});
  EXPECT_EQ(ran.status, 2);
  EXPECT_EQ(ran.out, "");
  for (const char* place : {":1:1: ", ":2:22: ", ":3:18: "}) {
    EXPECT_THAT(ran.err, HasSubstr(file.path() + place));
  }
  EXPECT_THAT(ran.err, HasSubstr("did you mean \"listeners\"?"));
  EXPECT_THAT(ran.err, HasSubstr(" faults\n"));
}

TEST(Check, SaysThatAFileCannotBeRead) {
  const Ran ran = penstock({"check", "--config", "/nonexistent/penstock.yaml"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, HasSubstr("/nonexistent/penstock.yaml"));
  EXPECT_THAT(ran.err, HasSubstr("1 fault\n"));
}

TEST(Check, NeedsAConfigurationOrTheWordSchema) {
  EXPECT_EQ(penstock({"check"}).status, 2);
  const File file(kLab);
  EXPECT_EQ(penstock({"check", "--schema", "--config", file.path()}).status, 2);
}

TEST(Check, PrintsTheSchemaAsJson) {
  const Ran ran = penstock({"check", "--schema"});
  EXPECT_EQ(ran.status, 0);
  const auto schema = nlohmann::json::parse(ran.out);
  EXPECT_THAT(schema["$schema"].get<std::string>(), HasSubstr("2020-12"));
  EXPECT_TRUE(schema["properties"].contains("policy"));
}

TEST(Run, RefusesABadConfigurationBeforeItOpensAnything) {
  const File file("policy: 3\n");
  const Ran ran = penstock({"run", "--config", file.path()});
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, StartsWith(file.path() + ":1:"));
}

TEST(Run, RefusesABadAddressToListenOn) {
  const Ran ran = penstock({"run", "--listen", "localhost"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, HasSubstr("write 127.0.0.1:3128 or [::1]:3128"));
}

class Explain : public testing::Test {
 protected:
  Ran ask(const std::string& target, std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"explain", "--config", file_.path()};
    words.insert(words.end(), more.begin(), more.end());
    words.push_back(target);
    return penstock(std::move(words));
  }
  nlohmann::json json(const std::string& target, int status) {
    const Ran ran = ask(target, {"--json"});
    EXPECT_EQ(ran.status, status) << ran.out << ran.err;
    EXPECT_EQ(ran.err, "");
    return nlohmann::json::parse(ran.out);
  }

  const File file_{kLab};
};

TEST_F(Explain, SaysWhichRuleOpensALiteral) {
  const Ran ran = ask("127.0.0.1:9000");
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, StartsWith("127.0.0.1:9000  allowed\n"));
  EXPECT_THAT(ran.out, HasSubstr("lab (" + file_.path() + ":5:7)"));
  EXPECT_THAT(ran.out, HasSubstr("127.0.0.1  loopback  allowed\n"));
}

TEST_F(Explain, SaysItInJson) {
  const auto found = json("127.0.0.1:9000", 0);
  EXPECT_EQ(found["authority"], "127.0.0.1:9000");
  EXPECT_EQ(found["verdict"], "allowed");
  EXPECT_EQ(found["would_deny"], false);
  EXPECT_EQ(found["error"], "");
  EXPECT_EQ(found["status"], 200);
  EXPECT_EQ(found["rule"]["name"], "lab");
  ASSERT_EQ(found["addresses"].size(), 1u);
  EXPECT_EQ(found["addresses"][0]["class"], "loopback");
  EXPECT_EQ(found["addresses"][0]["verdict"], "allowed");
}

TEST_F(Explain, SaysThatAnInternalAddressIsClosed) {
  const Ran ran = ask("10.0.0.1:443");
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.out, StartsWith("10.0.0.1:443  denied\n"));
  EXPECT_THAT(ran.out, EndsWith("  client    is told 403\n"));
}

TEST_F(Explain, SaysWhichRuleRefusesAName) {
  const auto found = json("a.test:80", 1);
  EXPECT_EQ(found["verdict"], "denied");
  EXPECT_EQ(found["error"], "name_denied");
  EXPECT_EQ(found["status"], 403);
  EXPECT_EQ(found["rule"]["name"], "not-here");
  EXPECT_TRUE(found["addresses"].empty()) << "a refused name is never looked up";
}

TEST_F(Explain, SaysThatNoRuleMatches) {
  const Ran ran = ask("a.test:22");
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.out, HasSubstr("none matches"));
  EXPECT_TRUE(json("a.test:22", 1)["rule"].is_null());
}

TEST_F(Explain, ResolvesANameAndJudgesEachAddress) {
  const auto found = json("a.localhost:443", 0);
  EXPECT_EQ(found["rule"]["name"], "lab");
  ASSERT_EQ(found["addresses"].size(), 2u);
  for (const auto& judged : found["addresses"]) {
    EXPECT_EQ(judged["class"], "loopback");
    const bool v4 = judged["address"] == "127.0.0.1";
    EXPECT_EQ(judged["verdict"], v4 ? "allowed" : "denied") << "the rule opens 127.0.0.0/8 only";
    EXPECT_EQ(judged["error"], v4 ? "" : "address_denied");
  }
}

TEST_F(Explain, SaysWhichQuotaTheClientFallsUnder) {
  const File file(R"(listeners: [{address: 127.0.0.1:3128}]
policy: {rules: [{name: lab, allow: ["127.0.0.1:9000"]}]}
quotas:
  - {name: ci, clients: [10.20.0.0/16], tunnels: 100, setups: 50/s, bytes: 10GiB/d}
  - {name: all, each: quota, setups: 60/m, burst: 5, bandwidth: 1MiB/s}
)");
  const auto ask_as = [&](const char* client) {
    return penstock({"explain", "--config", file.path(), "--client", client, "127.0.0.1:9000"}).out;
  };
  EXPECT_THAT(ask_as("10.20.3.4"),
              HasSubstr("  quota     ci (" + file.path() +
                        ":4:5): tunnels: 100, setups: 50/s, bytes: 10GiB/d, each client\n"));
  EXPECT_THAT(ask_as("10.21.3.4"),
              HasSubstr(":5:5): setups: 60/m, burst: 5, bandwidth: 1MiB/s, each quota\n"));
  EXPECT_TRUE(json("127.0.0.1:9000", 0)["quota"].is_null());
}

TEST_F(Explain, ShowsThatTheProxyIsNoDestination) {
  const File file(R"(listeners:
  - address: 127.0.0.1:3128
policy: {rules: [{name: lab, allow: ["127.0.0.1:3128"]}]}
)");
  const Ran ran = penstock({"explain", "--config", file.path(), "127.0.0.1:3128"});
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.out, HasSubstr("(loop)"));
  EXPECT_THAT(ran.out, HasSubstr("is told 502"));
}

TEST_F(Explain, JudgesForTheClientAndIdentityThatItIsGiven) {
  const File file(R"(listeners:
  - address: 127.0.0.1:3128
policy:
  rules:
    - {name: office, allow: ["127.0.0.1:9000"], clients: [10.20.0.0/16], identities: [ci]}
)");
  const auto status = [&](const std::string& client, const std::string& identity) {
    return penstock({"explain", "--config", file.path(), "--client", client, "--identity", identity,
                     "127.0.0.1:9000"})
        .status;
  };
  EXPECT_EQ(status("10.20.0.7", "ci"), 0);
  EXPECT_EQ(status("10.21.0.7", "ci"), 1);
  EXPECT_EQ(status("10.20.0.7", "else"), 1);
}

TEST_F(Explain, JudgesForGroupsAndForWhoAnAddressBelongsTo) {
  const File file(R"(listeners:
  - address: 127.0.0.1:3128
identity:
  - {clients: [10.20.0.0/16], identity: ci, groups: [builders, bots]}
policy:
  rules:
    - {name: builders, allow: ["127.0.0.1:9000"], groups: ["build*"]}
)");
  const auto ask_as = [&](std::vector<std::string> who) {
    who.insert(who.begin(), {"explain", "--config", file.path()});
    who.push_back("127.0.0.1:9000");
    return penstock(who);
  };
  EXPECT_EQ(ask_as({"--identity", "ann", "--group", "staff"}).status, 1);
  EXPECT_EQ(ask_as({"--identity", "ann", "--group", "staff", "--group", "builders"}).status, 0);
  EXPECT_EQ(ask_as({"--group", "builders"}).status, 2) << "groups of nobody";
  EXPECT_EQ(ask_as({"--client", "10.21.0.1"}).status, 1);
  const Ran mapped = ask_as({"--client", "10.20.0.1"});
  EXPECT_EQ(mapped.status, 0);
  EXPECT_THAT(mapped.out, HasSubstr("  identity  ci in builders, bots\n"));
}

TEST_F(Explain, OfReportModeSaysWhatEnforcingWouldDo) {
  const File file(R"(listeners:
  - address: 127.0.0.1:3128
policy: {mode: report, rules: [{name: none, deny: ["1.1.1.1:443"]}]}
)");
  const Ran ran = penstock({"explain", "--config", file.path(), "1.1.1.1:443"});
  EXPECT_EQ(ran.status, 0) << ran.out;
  EXPECT_THAT(ran.out, HasSubstr("enforcing, this would be refused"));
}

TEST_F(Explain, IsAUsageErrorForWhatIsNoDestinationOrClient) {
  const Ran scheme = ask("https://a.example/");
  EXPECT_EQ(scheme.status, 2);
  EXPECT_THAT(scheme.err, HasSubstr("(target_form)"));
  EXPECT_EQ(ask("a.example").status, 2);
  const Ran client = ask("a.example:443", {"--client", "office"});
  EXPECT_EQ(client.status, 2);
  EXPECT_THAT(client.err, HasSubstr("--client: \"office\" is no IP address"));
  EXPECT_EQ(penstock({"explain"}).status, 2);
}

TEST_F(Explain, WithoutAConfigurationJudgesByTheBuiltInOne) {
  const Ran ran = penstock({"explain", "127.0.0.1:443"});
  EXPECT_EQ(ran.status, 1);
  EXPECT_EQ(penstock({"explain", "1.1.1.1:443"}).status, 0);
}

TEST(Plan, SaysWhatALoadNeeds) {
  const Ran ran =
      penstock({"plan", "--rate", "500/s", "--setup-time", "30ms", "--lifetime", "60s"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("30,015   on average: rate x (set-up time + 60.0 s of tunnel)"));
  EXPECT_THAT(ran.out, HasSubstr("assumed   --cpu-per-connect 80us"));
  EXPECT_THAT(ran.out, HasSubstr("run out first"));
}

TEST(Plan, IsAUsageErrorWithOneSentenceWhenSomethingIsMissing) {
  const Ran ran = penstock({"plan"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(ran.err,
            "--rate is missing; write --rate 1000/s, or --from http://127.0.0.1:3129 to ask a "
            "proxy\n");
  EXPECT_EQ(penstock({"plan", "--incident", "--simulate"}).status, 2);
}

TEST(Plan, FailsWhereNothingThatIsGivenCarriesTheLoad) {
  const Ran ran = penstock(
      {"plan", "--rate", "500/s", "--setup-time", "30ms", "--lifetime", "8760h", "--nofile", "64"});
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.err, HasSubstr("seats do not suffice, not even those of 10000 instances"));
}

TEST(Load, HelpsWithTheOriginToo) {
  const Ran ran = penstock({"load", "origin", "--help"});
  EXPECT_EQ(ran.status, 0);
  EXPECT_THAT(ran.out, HasSubstr("--listen"));
  EXPECT_THAT(penstock({"load", "--help"}).out, HasSubstr("origin"));
}

TEST(Load, IsAUsageErrorWithOneSentenceWhenSomethingIsMissing) {
  const Ran ran = penstock({"load"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(ran.err,
            "--proxy is missing; write --proxy http://127.0.0.1:3128, or --direct to go without "
            "one\n");
  EXPECT_EQ(penstock({"load", "origin"}).status, 2);
  EXPECT_EQ(penstock({"load", "--direct", "--nothing"}).status, 2);
}

TEST(Load, RefusesAFileThatCannotBeWrittenBeforeItRuns) {
  for (const char* option : {"--csv", "--plot"}) {
    const Ran ran =
        penstock({"load", "--direct", "--target", "127.0.0.1:1", option, "/nonexistent/out"});
    EXPECT_EQ(ran.status, 2);
    EXPECT_THAT(ran.err, StartsWith(std::string(option) + ": \"/nonexistent/out\" cannot"));
    EXPECT_EQ(ran.out, "");
  }
}

TEST(Load, RefusesMoreConnectionsThanDescriptors) {
  const Ran ran = penstock(
      {"load", "--direct", "--target", "127.0.0.1:1", "--connections", "1000000", "--count", "1"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, HasSubstr("ulimit -n"));
}

TEST(LoadOrigin, SaysThatAnAddressCannotBeListenedOn) {
  const Ran ran = penstock({"load", "origin", "--listen", "192.0.2.1:9"});
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.err, HasSubstr("192.0.2.1:9"));
}

}  // namespace
}  // namespace penstock::cli
