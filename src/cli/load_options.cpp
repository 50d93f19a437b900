#include "cli/load_options.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "base/ascii.h"
#include "cli/option_reader.h"
#include "config/scalars.h"
#include "http/authority.h"
#include "load/dialer.h"
#include "load/pattern.h"

namespace penstock::cli {
namespace {

using load::Arrivals;
using load::Direction;
using load::Mode;
using load::Way;

constexpr int kConnectionsMax = 1'000'000;
constexpr int kThreadsMax = 256;
constexpr int kSourcesMax = 60'000;
constexpr int kSourcesByDefault = 64;

constexpr Words<Mode, 5> kModes = {{{"setup", Mode::kSetup},
                                    {"rtt", Mode::kRtt},
                                    {"bulk", Mode::kBulk},
                                    {"idle", Mode::kIdle},
                                    {"mix", Mode::kMix}}};
constexpr Words<Direction, 3> kDirections = {
    {{"up", Direction::kUp}, {"down", Direction::kDown}, {"both", Direction::kBoth}}};
constexpr Words<Arrivals, 2> kArrivals = {
    {{"exponential", Arrivals::kExponential}, {"fixed", Arrivals::kFixed}}};

struct Defaults {
  int connections;
  uint64_t bytes;
};

// The table in docs/load.md says the same.
Defaults defaults_of(Mode mode) {
  switch (mode) {
    case Mode::kRtt: return {.connections = 16, .bytes = 64};
    case Mode::kBulk: return {.connections = 4, .bytes = uint64_t{64} << 20};
    case Mode::kIdle: return {.connections = 1000, .bytes = 0};
    case Mode::kSetup:
    case Mode::kMix: break;
  }
  return {.connections = 16, .bytes = 0};
}

constexpr Duration kDurationByDefault = std::chrono::seconds(10);

bool is_loopback(const IpAddress& address) {
  return !address.v6 && address.bytes[0] == 127;
}

class LoadReader : private OptionReader {
 public:
  explicit LoadReader(const LoadOptions& written) : written_(written) {}

  std::expected<load::Options, std::string> read() {
    if (!read_way() || !read_work() || !read_pace() || !read_end() || !read_rest() ||
        !read_sources()) {
      return std::unexpected(fault_);
    }
    return out_;
  }

 private:
  bool read_way();
  bool read_proxy();
  bool read_target();
  bool read_work();
  bool read_pace();
  bool read_end();
  bool read_rest();
  bool read_sources();

  const LoadOptions& written_;
  load::Options out_;
};

bool LoadReader::read_proxy() {
  const std::string& text = *written_.proxy;
  if (text.starts_with("https://")) {
    return fail(
        "--proxy: \"{}\" asks for TLS to the proxy, which load does not speak; write "
        "http://127.0.0.1:3128",
        text);
  }
  return read_http_address("--proxy", written_.proxy, "3128", &out_.proxy);
}

bool LoadReader::read_target() {
  if (!written_.target) {
    // A relay has its destination built in. The name matters for TLS only.
    if (out_.way != Way::kRelay) return fail("--target is missing; write --target 127.0.0.1:9000");
    out_.target = {out_.proxy.address.text(), out_.proxy.address, out_.proxy.port};
    return true;
  }
  const auto target = http::parse_authority(*written_.target);
  if (!target) {
    return fail("--target: \"{}\" is no destination; write HOST:PORT, such as 127.0.0.1:9000",
                *written_.target);
  }
  out_.target = *target;
  if (out_.way == Way::kDirect && !out_.target.literal) {
    return fail(
        "--target: \"{}\" is a name, and with --direct nobody looks it up; write an address",
        *written_.target);
  }
  return true;
}

bool LoadReader::read_way() {
  if (written_.direct && (written_.proxy || written_.relay)) {
    return fail("--direct goes without a proxy; leave out {}",
                written_.proxy ? "--proxy" : "--relay");
  }
  if (!written_.direct && !written_.proxy) {
    return fail(
        "--proxy is missing; write --proxy http://127.0.0.1:3128, or --direct to go "
        "without one");
  }
  out_.way = written_.direct ? Way::kDirect : written_.relay ? Way::kRelay : Way::kConnect;
  return (written_.direct || read_proxy()) && read_target();
}

bool LoadReader::read_work() {
  if (!read_word("--mode", written_.mode, kModes, &out_.mode)) return false;
  const bool bulk = out_.mode == Mode::kBulk, rtt = out_.mode == Mode::kRtt;
  if (!only_for("--bytes", written_.bytes, bulk || rtt,
                "--mode bulk, the size of a stream, and --mode rtt, the size of a message") ||
      !only_for("--direction", written_.direction, bulk, "--mode bulk")) {
    return false;
  }
  out_.bytes = defaults_of(out_.mode).bytes;
  if (written_.bytes) {
    const uint64_t most = rtt ? load::Pattern::kPiece : config::kSizeMax;
    const auto bytes = config::parse_size(*written_.bytes);
    if (!bytes || *bytes == 0 || *bytes > most) {
      return fail("--bytes: \"{}\" is no size from 1B to {}; write 64B, 16KiB or 1GiB",
                  *written_.bytes, rtt ? config::size_text(most) : "1048576GiB");
    }
    out_.bytes = *bytes;
  }
  return read_word("--direction", written_.direction, kDirections, &out_.direction);
}

bool LoadReader::read_pace() {
  if (!read_rate("--rate", written_.rate, &out_.rate)) return false;
  const bool open_loop = out_.rate > 0, rtt = out_.mode == Mode::kRtt;
  if (open_loop && out_.mode == Mode::kIdle) {
    return fail(
        "--rate does not fit --mode idle, which opens its tunnels as fast as it can and "
        "holds them; give --connections");
  }
  if (open_loop && !rtt && written_.connections) {
    return fail(
        "--rate starts work whether or not earlier work is done, --connections when it is; "
        "give one of them");
  }
  if (!only_for("--arrivals", written_.arrivals, open_loop, "an open loop; give --rate as well") ||
      !only_for("--max-open", written_.max_open, open_loop && !rtt,
                rtt ? "tunnels that come and go; --mode rtt keeps --connections of them open"
                    : "an open loop; give --rate as well")) {
    return false;
  }
  out_.connections = defaults_of(out_.mode).connections;
  if (!read_word("--arrivals", written_.arrivals, kArrivals, &out_.arrivals) ||
      !read_number("--connections", written_.connections, 1, kConnectionsMax, &out_.connections) ||
      !read_number("--max-open", written_.max_open, 1, kConnectionsMax, &out_.connections_max) ||
      !read_number("--threads", written_.threads, 1, kThreadsMax, &out_.threads)) {
    return false;
  }
  const bool by_rate = open_loop && !rtt;
  const int shared = by_rate ? out_.connections_max : out_.connections;
  if (out_.threads > shared) {
    return fail("--threads: {} threads cannot share {} connection{}; give at most {}", out_.threads,
                shared, shared == 1 ? "" : "s", shared);
  }
  return true;
}

bool LoadReader::read_end() {
  const bool idle = out_.mode == Mode::kIdle;
  if (!only_for("--count", written_.count, !idle,
                "work that is repeated; --mode idle opens --connections tunnels once") ||
      !only_for("--warm-up", written_.warm_up, !idle,
                "work that is repeated; --mode idle opens --connections tunnels once")) {
    return false;
  }
  if (!written_.count) out_.duration = kDurationByDefault;
  return read_duration("--duration", written_.duration, false, &out_.duration) &&
         read_number("--count", written_.count, 1, uint64_t{1} << 53, &out_.count) &&
         read_duration("--warm-up", written_.warm_up, true, &out_.warm_up) &&
         read_duration("--timeout", written_.timeout, false, &out_.patience);
}

bool LoadReader::read_rest() {
  if (!read_number("--seed", written_.seed, 0, UINT64_MAX, &out_.seed) ||
      !read_number("--max-errors", written_.max_errors, 0, UINT64_MAX, &out_.errors_max)) {
    return false;
  }
  for (const auto& [option, word] :
       {std::pair("--csv", &written_.csv), std::pair("--plot", &written_.plot)}) {
    if (*word && (*word)->empty()) return fail("{}: \"\" is no file name", option);
  }
  out_.csv = written_.csv.value_or("");
  out_.plot = written_.plot.value_or("");
  out_.tls = written_.tls;
  out_.json = written_.json;
  return true;
}

bool LoadReader::read_sources() {
  const IpAddress next = out_.way == Way::kDirect ? *out_.target.literal : out_.proxy.address;
  int count = kSourcesByDefault;
  if (written_.sources && !written_.sources->contains('.') && !written_.sources->contains(':')) {
    if (!read_number("--sources", written_.sources, 1, kSourcesMax, &count)) {
      fault_ += "; a list of addresses is fine as well";
      return false;
    }
    if (!is_loopback(next)) {
      return fail(
          "--sources: {} addresses of 127.0.0.0/8 cannot reach {}; list addresses of this "
          "machine",
          count, next.text());
    }
  } else if (written_.sources) {
    count = 0;
    std::string_view rest = *written_.sources;
    while (true) {
      const std::string_view text = rest.substr(0, rest.find(','));
      const auto address = IpAddress::parse(text);
      if (!address) {
        return fail("--sources: \"{}\" is no address; write a count, or 127.0.0.2,127.0.0.3", text);
      }
      if (address->v6 != next.v6) {
        return fail("--sources: {} and {} are not of one family", text, next.text());
      }
      out_.sources.push_back(*address);
      if (text.size() == rest.size()) break;
      rest.remove_prefix(text.size() + 1);
    }
  }
  if (count > 0) out_.sources = load::loopback_sources({next, 0}, count);
  return true;
}

}  // namespace

std::expected<load::Options, std::string> read(const LoadOptions& written) {
  return LoadReader(written).read();
}

std::expected<load::OriginOptions, std::string> read(const LoadOriginOptions& written) {
  load::OriginOptions out;
  out.tls = written.tls;
  if (written.listen.empty()) {
    return std::unexpected("--listen is missing; write --listen 127.0.0.1:9000");
  }
  for (const std::string& text : written.listen) {
    const size_t equals = text.find('=');
    const auto address = Endpoint::parse(std::string_view(text).substr(0, equals));
    if (!address) {
      return std::unexpected(
          fmt::format("--listen: \"{}\" does not begin with an address and a port; write "
                      "127.0.0.1:9000 or 127.0.0.1:9000=echo",
                      text));
    }
    load::OriginListener listener{.address = *address};
    if (equals != text.npos) {
      const auto behaviour = load::behaviour_of(std::string_view(text).substr(equals + 1));
      if (!behaviour) {
        return std::unexpected(
            fmt::format("--listen: \"{}\" is none of any, echo, source, sink, slow, silent, reset",
                        text.substr(equals + 1)));
      }
      listener.behaviour = *behaviour;
    }
    out.listeners.push_back(listener);
  }
  if (written.threads) {
    const auto threads = parse_decimal(*written.threads, kThreadsMax);
    if (!threads || *threads == 0) {
      return std::unexpected(fmt::format("--threads: \"{}\" is no whole number from 1 to {}",
                                         *written.threads, kThreadsMax));
    }
    out.threads = static_cast<int>(*threads);
  }
  return out;
}

}  // namespace penstock::cli
