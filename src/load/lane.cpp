#include "load/lane.h"

#include <algorithm>

#include "base/check.h"
#include "base/random.h"
#include "load/modes.h"

namespace penstock::load {
namespace {

constexpr size_t kErrorKindsMax = 64;

uint64_t part_of(uint64_t whole, int number, int of) {
  const auto lanes = static_cast<uint64_t>(of);
  return whole / lanes + (static_cast<uint64_t>(number) < whole % lanes ? 1 : 0);
}

Endpoint next_hop_of(const Options& options) {
  if (options.way != Way::kDirect) return options.proxy;
  PENSTOCK_CHECK(options.target.literal);
  return {*options.target.literal, options.target.port};
}

std::string request_for(const http::Authority& target) {
  const std::string authority = target.text();
  return "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n\r\n";
}

}  // namespace

Options share_of(const Options& whole, int number, int of) {
  Options share = whole;
  share.rate = whole.rate / of;
  share.connections =
      static_cast<int>(part_of(static_cast<uint64_t>(std::max(whole.connections, 1)), number, of));
  share.connections_max =
      std::max(1, static_cast<int>(part_of(
                      static_cast<uint64_t>(std::max(whole.connections_max, 1)), number, of)));
  share.count = part_of(whole.count, number, of);
  // Drawn, not added: seeds that differ by the generator's own step give the same numbers, moved.
  share.seed = Random(whole.seed ^ static_cast<uint64_t>(number) << 32).next();
  return share;
}

Lane::Lane(const Options& whole, Place place, Opened opened)
    : options_(share_of(whole, place.number, place.of)),
      place_(place),
      opened_(std::move(opened)),
      next_hop_(next_hop_of(whole)),
      request_(request_for(whole.target)),
      scratch_(std::make_unique<std::array<uint8_t, Pattern::kPiece>>()),
      blend_(~options_.seed),
      changed_(loop_),
      left_(options_.count),
      limited_(whole.count > 0) {
  if (options_.tls) tls_ = TlsContext::client();
  // Lanes take the addresses in turn, each from another place on.
  if (!options_.sources.empty()) {
    next_source_ =
        options_.sources.size() * static_cast<size_t>(place.number) / static_cast<size_t>(place.of);
  }
}

void Lane::run() {
  loop::TaskSet tasks;
  tasks.start(drive());
  if (!tasks.empty()) loop_.run();
  loop_.read_clock();
}

loop::RootTask Lane::drive() {
  switch (options_.mode) {
    case Mode::kSetup: co_await run_setup(*this); break;
    case Mode::kRtt: co_await run_rtt(*this); break;
    case Mode::kBulk: co_await run_bulk(*this); break;
    case Mode::kIdle: co_await run_idle(*this); break;
    case Mode::kMix: co_await run_mix(*this); break;
  }
  loop_.stop();
}

std::optional<IpAddress> Lane::next_source() {
  const auto& sources = options_.sources;
  for (size_t tried = 0; tried < sources.size(); ++tried) {
    const IpAddress& source = sources[next_source_++ % sources.size()];
    if (source.v6 == next_hop_.address.v6) return source;
  }
  return std::nullopt;
}

void Lane::begin(Instant now) {
  began_ = now;
  counted_from_ = now + options_.warm_up;
  ends_ = deadline_after(counted_from_, options_.duration);
}

bool Lane::take(Instant intended) {
  if (stopping_ || intended >= ends_) return false;
  if (!limited_ || intended < counted_from_) return true;
  if (left_ == 0) return false;
  --left_;
  return true;
}

void Lane::count_error(Results& results, const std::string& kind) {
  const auto found = results.errors.find(kind);
  if (found != results.errors.end()) {
    ++found->second;
  } else {
    ++results.errors[results.errors.size() < kErrorKindsMax ? kind : "other"];
  }
}

void Lane::tunnel_opened() {
  results_.open_most = std::max(results_.open_most, ++open_);
}

void Lane::everybody_is_open(Instant now) {
  if (began_ == Instant{}) begin(now);
  everybody_open_ = true;
  changed_.notify_all();
}

void Lane::stop() {
  stopping_ = true;
  // Idle tunnels that were opened are looked at before they are closed.
  if (options_.mode != Mode::kIdle || !everybody_open_) loop_.stop();
  changed_.notify_all();
}

loop::Task<> Lane::wait_for_the_others(int tunnels) {
  opened_(tunnels);
  while (!everybody_open_) co_await changed_.wait();
}

loop::Task<> Lane::wait_until(Instant at) {
  loop::Timer timer(loop_);
  timer.arm(at);
  while (!timer.expired() && !stopping_) co_await changed_.wait(timer);
}

Results Lane::so_far() const {
  Results out = results_;
  const Instant until = std::min(loop_.now(), ends_);
  out.elapsed = until > counted_from_ ? until - counted_from_ : Duration::zero();
  return out;
}

}  // namespace penstock::load
