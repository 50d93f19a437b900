#include "probe/measure.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "dns/blocking_resolver.h"
#include "http/answer.h"
#include "http/answer_fields.h"
#include "http/body.h"
#include "probe/advice.h"

namespace penstock::probe {
namespace {

constexpr const char* kUserAgent = "penstock/" PENSTOCK_VERSION " (probe)";
constexpr uint16_t kHttpsPort = 443;
// A refusal's body is only read for its first line; a proxy that does not end it is not waited for.
constexpr Duration kRefusalPatience = std::chrono::seconds(1);
constexpr size_t kRefusalBytesMax = 4096;

class Measurement {
 public:
  Measurement(const Options& options, const std::optional<http::ProxyUrl>& proxy, SSL_CTX* context)
      : options_(options),
        proxy_(proxy),
        context_(context),
        resolver_({}, config::Family::kAny),
        ends_{.proxy = proxy ? proxy->authority.text() : "",
              .origin = options.url.authority.text(),
              .patience = options.patience,
              .proxied = proxy.has_value()} {
    run_.timeline.way = {
        .proxied = proxy.has_value(), .secure_proxy = proxy && proxy->secure(), .tls13 = false};
  }

  Measured take() {
    began_ = boundary_ = Clock::now();
    look_up() && connect() && secure_proxy() && open_tunnel() && shake_hands() && ask() &&
        read_answer();
    return std::move(run_);
  }

 private:
  // The steps. False: the failure is in the timeline.
  bool look_up();
  bool connect();
  bool secure_proxy();
  bool open_tunnel();
  bool shake_hands();
  bool ask();
  bool read_answer();

  bool read_connect_answer();
  bool established(std::string_view received, const http::Answer& answer);
  void add_proxys_share(std::string_view head);
  bool refused(const std::string& received, const http::Answer& answer);
  bool trusted(Phase phase, const TlsFacts& facts, const std::string& who);
  bool read_body(const std::string& received, http::BodyReader body);

  const http::Authority& next_hop() const {
    return proxy_ ? proxy_->authority : options_.url.authority;
  }
  Instant deadline() const { return Clock::now() + options_.patience; }

  // Closes the span that began at the last boundary; `at` is the next one.
  void mark(Phase phase, Instant at, std::string note = {}) {
    at = std::max(at, boundary_);
    run_.timeline.spans.push_back({.phase = phase,
                                   .start = boundary_ - began_,
                                   .end = at - began_,
                                   .note = std::move(note),
                                   .rtt_us = link_ ? link_->rtt_us() : std::nullopt,
                                   .failed = false});
    boundary_ = at;
  }
  // The clock stands still for what the probe does and a browser would not.
  template <class Work>
  void off_the_clock(const Work& work) {
    const Instant from = Clock::now();
    work();
    const Duration spent = Clock::now() - from;
    began_ += spent;
    boundary_ += spent;
  }
  // The phase that was going on ends here, and so does the request.
  bool fail(Failure failure) {
    mark(failure.phase, Clock::now(), failure.what);
    run_.timeline.spans.back().failed = true;
    run_.timeline.failure = std::move(failure);
    return false;
  }
  bool fail(Phase phase, const LinkFault& fault) { return fail(failure_of(phase, fault, ends_)); }

  const Options& options_;
  const std::optional<http::ProxyUrl>& proxy_;
  SSL_CTX* const context_;
  dns::BlockingResolver resolver_;  // made before the clock starts, and with an empty cache
  const Ends ends_;

  Instant began_{};
  Instant boundary_{};
  std::vector<IpAddress> addresses_;
  std::optional<TcpLink> tcp_;
  std::optional<TlsLink> proxy_tls_;
  std::optional<TlsLink> tls_;
  Link* link_ = nullptr;  // the uppermost so far
  Measured run_;
};

bool Measurement::look_up() {
  const Phase phase = proxy_ ? Phase::kProxyLookup : Phase::kOriginLookup;
  const http::Authority& wanted = next_hop();
  auto answer = resolver_.resolve(wanted.host, dns::Wanted::kSoon, options_.patience);
  if (!answer) return fail(failure_of(phase, answer.error(), wanted.host, ends_));
  addresses_ = std::move(answer->addresses);
  mark(phase, Clock::now(), wanted.literal ? "an address: nothing to look up" : wanted.host);
  return true;
}

bool Measurement::connect() {
  const Phase phase = proxy_ ? Phase::kProxyTcp : Phase::kOriginTcp;
  auto reached = reach(addresses_, next_hop().port, deadline());
  if (!reached) return fail(phase, reached.error());
  const Instant now = Clock::now();
  tcp_.emplace(std::move(reached->fd));
  link_ = &*tcp_;
  run_.peer = reached->peer;
  mark(phase, now, reached->peer.text());
  return true;
}

bool Measurement::secure_proxy() {
  if (!proxy_ || !proxy_->secure()) return true;
  proxy_tls_.emplace(*tcp_, context_, proxy_->authority.host);
  if (const auto done = proxy_tls_->handshake(options_.patience); !done) {
    return fail(Phase::kProxyTls, done.error());
  }
  link_ = &*proxy_tls_;
  mark(Phase::kProxyTls, Clock::now());
  off_the_clock([&] { run_.proxy_tls = proxy_tls_->facts(options_.ca); });
  run_.timeline.spans.back().note = run_.proxy_tls->version;
  return trusted(Phase::kProxyTls, *run_.proxy_tls, ends_.proxy);
}

bool Measurement::open_tunnel() {
  if (!proxy_) return true;
  const std::string authority = options_.url.authority.text();
  std::string request = fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\nUser-Agent: {1}\r\n",
                                    authority, kUserAgent);
  if (const std::string said = proxy_->authorization(); !said.empty()) {
    request += fmt::format("Proxy-Authorization: {}\r\n", said);
  }
  request += "\r\n";
  if (const auto sent = link_->write(bytes_of(request), deadline()); !sent) {
    return fail(Phase::kConnectSent, sent.error());
  }
  mark(Phase::kConnectSent, link_->said(), authority);
  return read_connect_answer();
}

bool Measurement::read_connect_answer() {
  http::AnswerReader reader;
  std::string received;
  std::array<uint8_t, 4096> buffer;
  const Instant until = deadline();
  for (;;) {
    const auto count = link_->read(buffer, until);
    if (!count) return fail(Phase::kConnect, count.error());
    if (*count == 0) {
      return fail(Phase::kConnect, {LinkFault::Kind::kEnded, "closed without an answer"});
    }
    // SAFETY: chars are bytes.
    received.append(reinterpret_cast<const char*>(buffer.data()), *count);
    const auto complete = reader.advance(received);
    if (!complete) {
      return fail(Phase::kConnect,
                  {LinkFault::Kind::kSystem, std::string(sentence(complete.error()))});
    }
    if (!*complete) continue;
    const http::Answer answer = reader.answer(received);
    return answer.tunnel() ? established(received, answer) : refused(received, answer);
  }
}

bool Measurement::established(std::string_view received, const http::Answer& answer) {
  const std::string_view head = http::final_head(received, answer.length);
  mark(Phase::kConnect, link_->heard());
  add_proxys_share(head);
  const std::string line = printable(head.substr(0, head.find('\r')), 80);
  mark(Phase::kEstablished, boundary_, line);
  if (received.size() == answer.length) return true;
  return fail({.phase = Phase::kConnect,
               .what = "the proxy sent bytes behind its answer that nobody asked for.",
               .advice = "What it says is not a tunnel: look at its configuration."});
}

// The proxy says how long its look-up and dial took, not when. They lie one behind the other, and
// the 200 left half a round trip before it arrived.
void Measurement::add_proxys_share(std::string_view head) {
  const Span wait = run_.timeline.spans.back();
  const auto resolve = http::server_timing(head, "resolve");
  const auto dial = http::server_timing(head, "dial");
  const Duration half = std::chrono::microseconds(link_->rtt_us().value_or(0) / 2);
  Duration end = std::max(wait.start, wait.end - half);
  std::array<std::pair<Phase, std::optional<Duration>>, 2> shares = {
      {{Phase::kProxyDial, dial}, {Phase::kProxyResolve, resolve}}};
  const auto behind_wait = static_cast<ptrdiff_t>(run_.timeline.spans.size());
  for (const auto& [phase, length] : shares) {
    if (!length) continue;
    const Duration start = std::max(wait.start, end - *length);
    run_.timeline.spans.insert(run_.timeline.spans.begin() + behind_wait,
                               {.phase = phase,
                                .start = start,
                                .end = start + *length,
                                .note = "the proxy says how long (Server-Timing), not when",
                                .rtt_us = {},
                                .failed = false});
    end = start;
  }
}

bool Measurement::refused(const std::string& received, const http::Answer& answer) {
  const Instant heard = link_->heard();
  const std::string head(http::final_head(received, answer.length));
  std::string body = received.substr(answer.length);
  auto reader = http::BodyReader::behind(head, answer.status);
  const Instant until = Clock::now() + std::min(kRefusalPatience, options_.patience);
  if (reader && !body.empty() && !reader->take(body)) reader = std::unexpected(http::BodyFault{});
  while (reader && !reader->done() && body.size() < kRefusalBytesMax) {
    std::array<uint8_t, kRefusalBytesMax> buffer;
    const auto count = link_->read(buffer, until);
    if (!count || *count == 0) break;
    // SAFETY: chars are bytes.
    const std::string_view more(reinterpret_cast<const char*>(buffer.data()), *count);
    body += more;
    if (!reader->take(more)) break;
  }
  run_.refusal = read_refusal(answer.status, head, body);
  Failure failure{.phase = Phase::kConnect,
                  .what = what_was_said(*run_.refusal) + ".",
                  .advice = what_it_means(*run_.refusal)};
  mark(Phase::kConnect, heard, failure.what);
  run_.timeline.spans.back().failed = true;
  run_.timeline.failure = std::move(failure);
  return false;
}

bool Measurement::trusted(Phase phase, const TlsFacts& facts, const std::string& who) {
  if (facts.trust.good() || options_.insecure) return true;
  run_.timeline.spans.back().failed = true;
  run_.timeline.failure =
      Failure{.phase = phase,
              .what = fmt::format("the certificate of {} is not trusted ({}). {}", who,
                                  facts.trust.word, facts.trust.meaning),
              .advice = facts.trust.advice};
  return false;
}

bool Measurement::shake_hands() {
  tls_.emplace(*link_, context_, options_.url.authority.host);
  const auto done = tls_->handshake(options_.patience);
  const Instant finished = Clock::now();
  const bool literal = options_.url.authority.literal.has_value();
  if (!tls_->client_hello_sent()) return fail(Phase::kClientHello, done.error());
  mark(Phase::kClientHello, *tls_->client_hello_sent(),
       literal ? "no server name: an address" : "server name " + options_.url.authority.host);
  if (!tls_->server_hello_heard()) return fail(Phase::kServerHello, done.error());
  mark(Phase::kServerHello, *tls_->server_hello_heard());
  if (!done) return fail(Phase::kHandshake, done.error());
  link_ = &*tls_;
  mark(Phase::kHandshake, finished);
  off_the_clock([&] { run_.tls = tls_->facts(options_.ca); });
  run_.timeline.way.tls13 = run_.tls->tls13();
  run_.timeline.spans.back().note =
      run_.tls->retried ? run_.tls->version + ", a HelloRetryRequest: 1 round trip more"
                        : run_.tls->version;
  if (!trusted(Phase::kHandshake, *run_.tls, ends_.origin)) return false;
  mark(Phase::kEncrypted, boundary_, proxy_ ? "the end of what the proxy can see" : "");
  return true;
}

bool Measurement::ask() {
  const http::Authority& authority = options_.url.authority;
  std::string host = authority.text();
  if (authority.port == kHttpsPort) host.resize(host.rfind(':'));
  const std::string request = fmt::format(
      "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {}\r\nAccept: */*\r\nConnection: close\r\n\r\n",
      options_.url.target, host, kUserAgent);
  if (const auto sent = link_->write(bytes_of(request), deadline()); !sent) {
    return fail(Phase::kRequest, sent.error());
  }
  mark(Phase::kRequest, link_->said(), printable("GET " + options_.url.target, 80));
  return true;
}

bool Measurement::read_answer() {
  http::AnswerReader reader;
  std::string received;
  std::array<uint8_t, 4096> buffer;
  Instant until = deadline();
  Phase phase = Phase::kFirstByte;
  for (;;) {
    const auto count = link_->read(buffer, until);
    if (!count) return fail(phase, count.error());
    if (*count == 0) return fail(phase, {LinkFault::Kind::kEnded, "closed without an answer"});
    if (phase == Phase::kFirstByte) {
      mark(phase, link_->heard());
      phase = Phase::kDownload;
      until = deadline();
    }
    // SAFETY: chars are bytes.
    received.append(reinterpret_cast<const char*>(buffer.data()), *count);
    const auto complete = reader.advance(received);
    if (!complete) {
      return fail(phase, {LinkFault::Kind::kSystem, std::string(sentence(complete.error()))});
    }
    if (!*complete) continue;
    const http::Answer answer = reader.answer(received);
    run_.status = answer.status;
    auto body = http::BodyReader::behind(http::final_head(received, answer.length), answer.status);
    if (body) return read_body(received.substr(answer.length), *body);
    return fail(phase, {LinkFault::Kind::kSystem, std::string(sentence(body.error()))});
  }
}

bool Measurement::read_body(const std::string& received, http::BodyReader body) {
  std::vector<uint8_t> buffer(size_t{64} << 10);
  const Instant until = deadline();
  std::string_view piece = received;
  for (;;) {
    const auto taken = body.take(piece);
    run_.bytes = body.bytes();
    if (!taken) {
      return fail(Phase::kDownload,
                  {LinkFault::Kind::kSystem, std::string(sentence(taken.error()))});
    }
    if (body.done()) break;
    const auto count = link_->read(buffer, until);
    // An end without close_notify is an end, as it is for browsers: the body decides if it is
    // whole.
    const bool ended = count ? *count == 0 : count.error().kind == LinkFault::Kind::kEnded;
    if (!count && !ended) return fail(Phase::kDownload, count.error());
    if (ended) {
      if (const auto whole = body.end(); !whole) {
        return fail(Phase::kDownload,
                    {LinkFault::Kind::kEnded, std::string(sentence(whole.error()))});
      }
      break;
    }
    // SAFETY: chars are bytes.
    piece = {reinterpret_cast<const char*>(buffer.data()), *count};
  }
  mark(Phase::kDownload, link_->heard(), fmt::format("{}, {} bytes", run_.status, run_.bytes));
  return true;
}

}  // namespace

Measured measure(const Options& options, const std::optional<http::ProxyUrl>& proxy,
                 SSL_CTX* context) {
  return Measurement(options, proxy, context).take();
}

}  // namespace penstock::probe
