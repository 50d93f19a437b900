#include "dns/blocking_resolver.h"

#include <optional>
#include <utility>

#include "loop/task.h"

namespace penstock::dns {
namespace {

loop::RootTask look_up(loop::Loop& loop, Resolver& resolver, std::string name, Wanted wanted,
                       Instant deadline, std::optional<Result<Answer>>* out) {
  out->emplace(co_await resolver.resolve(std::move(name), wanted, deadline));
  loop.stop();
}

}  // namespace

Result<Answer> BlockingResolver::resolve(const std::string& name, Wanted wanted,
                                         Duration patience) {
  if (const auto literal = IpAddress::parse(name)) return Answer{.addresses = {*literal}};
  std::optional<Result<Answer>> answer;
  loop::TaskSet tasks;
  const Instant deadline = deadline_after(loop_.read_clock(), patience);
  tasks.start(look_up(loop_, resolver_, name, wanted, deadline, &answer));
  if (!answer) loop_.run();
  return std::move(*answer);
}

}  // namespace penstock::dns
