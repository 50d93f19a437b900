#include "session/inspect.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "http/structured.h"
#include "loop/bell.h"
#include "session/entrance.h"
#include "session/hear.h"
#include "session/inside.h"

namespace penstock::session {

using loop::Task;
using Failure = std::optional<Error>;

namespace {

// A line that is no longer than this before its end has come is taken for no request.
constexpr size_t kFirstLineMax = size_t{16} * 1024;
constexpr std::string_view kHttp2 = "h2";
// What programs of gRPC call it in front of that.
constexpr std::string_view kHttp2OfGrpc = "grpc-exp";

const policy::Inspection& rule_of(const Connection& c) {
  return *c.story.rule->inspect;
}

void count(Connection& c, Inspected result) {
  c.worker.metrics().inspected[static_cast<size_t>(result)].add();
}

bool is_http2(std::string_view alpn) {
  return alpn == kHttp2 || alpn == kHttp2OfGrpc;
}

// What the client offers first, as far as we can speak it. `alpn` is to outlive what is returned.
bump::Protocols offered(const std::string_view& alpn) {
  const bool http2 = is_http2(alpn);
  return http2 || alpn.starts_with("http/") ? protocols_of_http(http2) : bump::Protocols(&alpn, 1);
}

Task<Result<bump::LeafPtr>> get_leaf(Connection& c, bump::Wish wish) {
  loop::Bell bell(c.worker.loop());
  const auto mint = c.situation->inspector->mint;  // a reload may take it from the situation
  const auto asked = mint->ask(std::move(wish), bell.ringer());
  if (const auto* const leaf = std::get_if<bump::LeafPtr>(&asked)) co_return *leaf;
  const auto& order = std::get<bump::Mint::OrderPtr>(asked);
  loop::Timer timer(c.worker.loop());
  timer.arm(deadline_after(c.worker.loop().now(), c.config().timeouts.hello));
  while (!mint->answer(order) && !timer.expired()) co_await bell.wait(timer);
  const auto answer = mint->answer(order);
  co_return answer ? *answer : fail(Code::kMintFailed);
}

// Programs that expect one certificate and no other say so, or go, or say nothing more.
bool looks_pinned(Code failed) {
  return failed == Code::kCertificateDistrusted || failed == Code::kClientGone ||
         failed == Code::kTlsTimeout;
}

Task<Failure> secure_client(Connection& c, const bump::LeafPtr& leaf, const std::string& agreed) {
  const bump::InspectorPtr inspector = c.situation->inspector;
  tls::OwnedSsl ssl = inspector->clients->make_session(agreed);
  if (!leaf->show(ssl.get())) co_return Error{Code::kMintFailed};
  auto owned =
      std::make_unique<tls::Session>(inspector, std::move(ssl), tls::Session::Side::kServer,
                                     c.client, c.worker.tls_outbox(), std::exchange(c.early, {}));
  tls::Session& session = *owned;
  c.client.put_on(std::move(owned));
  loop::Timer timer(c.worker.loop());
  timer.arm(deadline_after(c.worker.loop().now(), c.config().timeouts.hello));
  const auto failed = co_await tls::shake_hands(session, c.client, timer);
  const IpAddress& client = c.story.client.address;
  const std::string& name = c.story.target.host;
  if (!failed) {
    inspector->pinned->went_on(client, name);
    co_return std::nullopt;
  }
  if (looks_pinned(failed->code)) {
    const uint32_t times = inspector->pinned->broke_off(client, name);
    count(c, Inspected::kDistrusted);
    c.worker.trouble().say(observe::Level::kInfo,
                           client.text() + " does not take our certificate for " + name + " (" +
                               std::to_string(times) +
                               " times in a row): it lacks the root of inspection.ca, or expects "
                               "one certificate only");
  }
  co_return failed;
}

// Whether the bytes are the beginning of a request of HTTP/1; nothing: too few to know.
std::optional<bool> looks_like_http(std::string_view said) {
  const size_t end = said.find('\n');
  const std::string_view line = said.substr(0, end);
  const size_t method = std::min(line.find(' '), line.size());
  if (method == 0 ? !line.empty() : !http::is_token(line.substr(0, method))) return false;
  if (end != std::string_view::npos) return line.find(" HTTP/") != std::string_view::npos;
  return said.size() < kFirstLineMax ? std::nullopt : std::optional(false);
}

// Who speaks first inside, and what. Browsers open tunnels ahead of need, and say nothing for long.
class FirstWords {
 public:
  FirstWords(Connection& c, bool origin_speaks) : c_(c), origin_speaks_(origin_speaks) {}

  // True: it is HTTP. What the client has said is in c.early, what the origin has in spoke().
  Task<Result<bool>> hear();
  std::vector<uint8_t> spoke() { return std::move(spoke_); }

 private:
  Result<std::optional<bool>> listen();

  Connection& c_;
  bool origin_speaks_;  // it is there, and good
  std::vector<uint8_t> spoke_;
};

Result<std::optional<bool>> FirstWords::listen() {
  const auto buffer = c_.worker.relay().buffer();
  const loop::Moved up = c_.client.read(buffer);
  if (up.bytes()) {
    c_.early.insert(c_.early.end(), buffer.data(), buffer.data() + up.count);
    const auto http = looks_like_http(heard(c_));
    if (http) return http;
  } else if (!up.would_block()) {
    return std::unexpected(Error{Code::kClientGone, up.error()});
  }
  if (!origin_speaks_) return std::optional<bool>();
  const loop::Moved down = c_.origin.read(buffer);
  if (down.bytes()) {
    spoke_.assign(buffer.data(), buffer.data() + down.count);
    return std::optional(false);
  }
  if (!down.would_block()) {
    origin_speaks_ = false;  // it has closed a connection that was not used; there are others
    c_.origin.close();
  }
  return std::optional<bool>();
}

Task<Result<bool>> FirstWords::hear() {
  loop::Timer timer(c_.worker.loop());
  timer.arm(deadline_after(c_.worker.loop().now(), c_.config().timeouts.idle));
  for (;;) {
    const auto known = listen();
    if (!known) co_return std::unexpected(known.error());
    if (*known) co_return **known;
    if (timer.expired()) co_return fail(Code::kIdle);
    loop::Wait wait(c_.worker.loop());
    wait.on(c_.client.source(), loop::kReadable).until(timer);
    if (origin_speaks_) wait.on(c_.origin.source(), loop::kReadable);
    co_await wait;
  }
}

// What is not HTTP is nobody's to read, and goes on decrypted.
PENSTOCK_OWN_FRAME Task<Failure> carry_other(Connection& c, std::vector<uint8_t> spoke,
                                             const tunnel::Patience& patience) {
  tunnel::Flow up(c.worker.relay(), c.client, c.origin, c.story.up);
  tunnel::Flow down(c.worker.relay(), c.origin, c.client, c.story.down);
  up.cap(c.config().limits.bandwidth, c.quota_share.up());
  down.cap(c.config().limits.bandwidth, c.quota_share.down());
  if (!spoke.empty()) down.deliver_first(std::move(spoke));
  if (!c.early.empty()) up.deliver_first(std::exchange(c.early, {}));
  c.story.step = Step::kCarry;
  count(c, Inspected::kOther);
  co_return co_await tunnel::carry(up, down, patience);
}

// The connection with the origin goes to those that are idle, for the first request; the client to
// whoever reads that.
void hand_over(Connection& c, bool origin_is_good) {
  c.client_persists = true;
  if (origin_is_good && c.story.shares_origin() && c.origin) {
    dial::Reached reached{std::move(c.port), std::move(c.origin), c.story.route};
    if (c.inside->origin_http2) {
      c.worker.origin_trunks().keep(std::move(reached), c.story.target, trust_of(c));
    } else {
      c.worker.origins().keep(c.story.target, std::move(reached), trust_of(c));
    }
  }
  count(c, Inspected::kRead);
}

}  // namespace

bool is_to_be_read(Connection& c) {
  if (!c.story.rule || !c.story.rule->inspect || !c.story.hello) return false;
  const policy::Inspection& rule = rule_of(c);
  if (!rule.reads(c.story.target)) {
    count(c, Inspected::kExcepted);
    return false;
  }
  // With ECH the name that is meant is hidden, and no certificate of ours would do: a rule that
  // allows it lets it pass unread.
  const auto named = http::canonical_name(c.story.hello->sni);
  const bool hidden = c.story.hello->ech && !c.story.target.literal && named != c.story.target.host;
  if (hidden && c.story.rule->ech == policy::EchCheck::kAllow) {
    count(c, Inspected::kHidden);
    return false;
  }
  if (rule.tunnel_pinned_after == 0) return true;
  const auto& pinned = *c.situation->inspector->pinned;
  if (pinned.count(c.story.client.address, c.story.target.host) < rule.tunnel_pinned_after) {
    return true;
  }
  count(c, Inspected::kPinned);
  return false;
}

PENSTOCK_OWN_FRAME Task<> inspect(Connection& c, const tunnel::Patience& patience) {
  if (c.story.down.total() != 0) {
    c.story.error = Error{Code::kSpokeFirst};
    co_return;
  }
  const std::string_view alpn = c.story.hello->alpn;
  auto shown = co_await secure_origin(c, offered(alpn));
  if (!shown && shown.error().code == Code::kClientGone) {
    c.story.error = shown.error();
    co_return;
  }
  const bool good = shown && !shown->fault;
  const bool mimics =
      shown && shown->fault && rule_of(c).origin_faults == policy::OriginFaults::kMimic;
  const bool fit = good || mimics;
  const auto inside = std::make_shared<Inside>();
  inside->target = c.story.target;
  inside->who = c.who;
  inside->tunnel = c.story.number;
  inside->offers_http2 = is_http2(alpn);
  inside->origin_http2 = good && shown->alpn == kHttp2;
  if (shown) inside->fault = shown->fault;
  if (mimics) inside->mirrored = fingerprint_of(shown->certificate.get());
  c.inside = inside;

  // An origin that is not good is not shown as a good one: whoever asks for something inside is
  // told what is wrong with it.
  bump::Wish wish{.name = c.story.target.host};
  if (fit) {
    wish.origin = std::move(shown->certificate);
    wish.fault = shown->fault_number;
  }
  const std::string agreed = fit ? shown->alpn : std::string();
  const auto leaf = co_await get_leaf(c, std::move(wish));
  if (!leaf) {
    count(c, Inspected::kFailed);
    c.story.error = leaf.error();
    co_return;
  }
  c.story.error = co_await secure_client(c, *leaf, agreed);
  if (c.story.error) co_return;

  // SAFETY: secure_client() has put it there.
  const auto& session = static_cast<const tls::Session&>(*c.client.transport());
  const bool http2 = session.peer().alpn == kHttp2;
  inside->entrance = http2 ? &http2_trunk() : &http1_inside();
  if (http2) co_return hand_over(c, good);
  FirstWords words(c, fit);
  const auto http = co_await words.hear();
  if (!http) {
    // Whoever opens a tunnel ahead of need may close it unused.
    if (http.error().code != Code::kClientGone || http.error().sys_errno != 0) {
      c.story.error = http.error();
    }
  } else if (*http) {
    hand_over(c, good);
  } else if (rule_of(c).other == policy::OtherProtocols::kRefuse || !fit || !c.origin) {
    c.story.error = Error{Code::kNotHttp};
  } else {
    c.story.error = co_await carry_other(c, words.spoke(), patience);
  }
}

}  // namespace penstock::session
