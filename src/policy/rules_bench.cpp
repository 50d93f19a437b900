// What a decision costs with one rule and with 100,000 of everything, and what it costs to compile
// them. Targets and askers are taken round robin from thousands, so that the caches see what a
// busy proxy's would.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "policy/rules.h"

namespace penstock::policy {
namespace {

constexpr size_t kMany = 100'000;
constexpr size_t kAsked = 4096;

Located<std::string> word(std::string text) {
  return {std::move(text), {}};
}

RuleSpec rule(size_t number) {
  RuleSpec out;
  out.name = "rule-" + std::to_string(number);
  return out;
}

Rules compiled(const Spec& spec) {
  auto out = Rules::compile(spec);
  PENSTOCK_CHECK(out.has_value());
  return std::move(*out);
}

std::string name_of(size_t i) {
  return "host" + std::to_string(i) + ".svc.example.com";
}

IpAddress client_of(size_t i) {
  return IpAddress::from_v4(10, static_cast<uint8_t>(i >> 16), static_cast<uint8_t>(i >> 8),
                            static_cast<uint8_t>(i));
}

std::vector<http::Authority> names(size_t of) {
  Random random(1);
  std::vector<http::Authority> out;
  for (size_t i = 0; i < kAsked; ++i) out.push_back({name_of(random.below(of)), {}, 443});
  return out;
}

std::vector<http::Authority> literals() {
  Random random(1);
  std::vector<http::Authority> out;
  for (size_t i = 0; i < kAsked; ++i) {
    const IpAddress address = client_of(random.below(kMany));
    out.push_back({address.text(), address, 443});
  }
  return out;
}

void judge_all(benchmark::State& state, const Spec& spec,
               const std::vector<http::Authority>& asked) {
  const Rules rules = compiled(spec);
  Random random(2);
  std::vector<IpAddress> clients;
  for (size_t i = 0; i < kAsked; ++i) clients.push_back(client_of(random.below(kMany)));
  size_t at = 0;
  for (auto _ : state) {
    const size_t i = at++ % kAsked;
    const Decision decision = rules.judge_name({clients[i], "ci"}, asked[i]);
    benchmark::DoNotOptimize(decision);
    PENSTOCK_CHECK(decision.allowed);
  }
}

Spec one_rule() {
  Spec spec;
  spec.rules = {rule(0)};
  spec.rules[0].patterns = {word("*.example.com:443")};
  return spec;
}

void OneRule(benchmark::State& state) {
  judge_all(state, one_rule(), names(kMany));
}
BENCHMARK(OneRule);

void NamesInOneRule(benchmark::State& state) {
  Spec spec;
  spec.rules = {rule(0)};
  for (size_t i = 0; i < kMany; ++i) spec.rules[0].patterns.push_back(word(name_of(i) + ":443"));
  judge_all(state, spec, names(kMany));
}
BENCHMARK(NamesInOneRule);

Spec names_in_as_many_rules() {
  Spec spec;
  for (size_t i = 0; i < kMany; ++i) {
    spec.rules.push_back(rule(i));
    spec.rules.back().patterns = {word(name_of(i) + ":443")};
  }
  return spec;
}

void NamesInAsManyRules(benchmark::State& state) {
  judge_all(state, names_in_as_many_rules(), names(kMany));
}
BENCHMARK(NamesInAsManyRules);

void Suffixes(benchmark::State& state) {
  Spec spec;
  std::vector<http::Authority> asked = names(kMany);
  for (http::Authority& target : asked) target.host = "a.b." + target.host;
  for (size_t i = 0; i < kMany; ++i) {
    spec.rules.push_back(rule(i));
    spec.rules.back().patterns = {word("*." + name_of(i) + ":443")};
  }
  judge_all(state, spec, asked);
}
BENCHMARK(Suffixes);

void PrefixPatterns(benchmark::State& state) {
  Spec spec;
  for (size_t i = 0; i < kMany; ++i) {
    spec.rules.push_back(rule(i));
    spec.rules.back().patterns = {word(client_of(i).text() + "/32:443")};
  }
  judge_all(state, spec, literals());
}
BENCHMARK(PrefixPatterns);

void ClientPrefixesInOneRule(benchmark::State& state) {
  Spec spec;
  spec.rules = {rule(0)};
  spec.rules[0].patterns = {word("*:443")};
  for (size_t i = 0; i < kMany; ++i) spec.rules[0].clients.push_back(word(client_of(i).text()));
  judge_all(state, spec, names(kMany));
}
BENCHMARK(ClientPrefixesInOneRule);

void ClientPrefixesInAsManyRulesForOneName(benchmark::State& state) {
  Spec spec;
  for (size_t i = 0; i < kMany; ++i) {
    spec.rules.push_back(rule(i));
    spec.rules.back().patterns = {word("hub.example.com:443")};
    spec.rules.back().clients = {word(client_of(i).text())};
  }
  judge_all(state, spec, std::vector<http::Authority>(kAsked, {"hub.example.com", {}, 443}));
}
BENCHMARK(ClientPrefixesInAsManyRulesForOneName);

// A team for each rule, and an asker who is in ten of them.
void GroupsInAsManyRulesForOneName(benchmark::State& state) {
  Spec spec;
  for (size_t i = 0; i < kMany; ++i) {
    spec.rules.push_back(rule(i));
    spec.rules.back().patterns = {word("hub.example.com:443")};
    spec.rules.back().groups = {word("team-" + std::to_string(i))};
  }
  const Rules rules = compiled(spec);
  std::vector<std::string> groups;
  for (size_t i = 0; i < 10; ++i) groups.push_back("team-" + std::to_string(i * 9'999 + 5));
  const http::Authority target{"hub.example.com", {}, 443};
  for (auto _ : state) {
    const Decision decision = rules.judge_name({client_of(7), "ann", groups}, target);
    benchmark::DoNotOptimize(decision);
    PENSTOCK_CHECK(decision.rule_index == 5);
  }
}
BENCHMARK(GroupsInAsManyRulesForOneName);

// The whole step: two addresses behind a name, with a few listeners and interfaces around.
void JudgeAddresses(benchmark::State& state) {
  const Rules rules = compiled(one_rule());
  const Asker asker{client_of(7), ""};
  const http::Authority target{"api.example.com", {}, 443};
  const Decision decision = rules.judge_name(asker, target);
  const std::vector<IpAddress> addresses = {*IpAddress::parse("2606:4700:4700::1111"),
                                            IpAddress::from_v4(8, 8, 8, 8)};
  const Surroundings surroundings{
      {*Endpoint::parse("127.0.0.1:3128"), *Endpoint::parse("[::]:443")},
      {client_of(1), *IpAddress::parse("fd00::1")}};
  for (auto _ : state) {
    auto routes = rules.judge_addresses(decision, asker, target, addresses, surroundings, nullptr);
    benchmark::DoNotOptimize(routes);
    PENSTOCK_CHECK(routes.size() == 2);
  }
}
BENCHMARK(JudgeAddresses);

void CompileNames(benchmark::State& state) {
  const Spec spec = names_in_as_many_rules();
  for (auto _ : state) benchmark::DoNotOptimize(Rules::compile(spec));
}
BENCHMARK(CompileNames)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace penstock::policy
