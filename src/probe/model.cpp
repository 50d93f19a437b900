#include "probe/model.h"

#include <fmt/format.h>

#include <algorithm>

namespace penstock::probe {
namespace {

// Writes spans one behind the other.
class Writer {
 public:
  explicit Writer(Way way) { out_.way = way; }

  void add(Phase phase, Duration length, std::string note = {}) {
    put(phase, now_, now_ + length, std::move(note));
    now_ += length;
  }
  void put(Phase phase, Duration start, Duration end, std::string note = {}) {
    out_.spans.push_back({.phase = phase,
                          .start = start,
                          .end = end,
                          .note = std::move(note),
                          .rtt_us = {},
                          .failed = false});
  }
  Duration now() const { return now_; }
  Timeline take() { return std::move(out_); }

 private:
  Timeline out_;
  Duration now_{};
};

bool is_tls13(Handshake handshake) {
  return handshake != Handshake::kTls12;
}

// From the ClientHello to the last byte; `rtt` is the whole way's.
void add_conversation(Writer& writer, Handshake handshake, Duration rtt) {
  constexpr Duration kNone{};
  if (handshake == Handshake::kZeroRtt) {
    const Duration sent = writer.now();
    writer.add(Phase::kClientHello, kNone);
    writer.put(Phase::kEncrypted, sent, sent, "early data, under the ticket's key");
    writer.put(Phase::kRequest, sent, sent, "with the ClientHello");
    writer.add(Phase::kServerHello, rtt, "1 round trip");
    writer.add(Phase::kHandshake, kNone);
    writer.add(Phase::kFirstByte, kNone, "came with the ServerHello");
    writer.add(Phase::kDownload, kNone);
    return;
  }
  writer.add(Phase::kClientHello, kNone);
  writer.add(Phase::kServerHello, rtt, "1 round trip");
  const bool two = handshake == Handshake::kTls12;
  writer.add(Phase::kHandshake, two ? rtt : kNone, two ? "1 round trip more: TLS 1.2" : "");
  writer.add(Phase::kEncrypted, kNone);
  writer.add(Phase::kRequest, kNone);
  writer.add(Phase::kFirstByte, rtt, "1 round trip");
  writer.add(Phase::kDownload, kNone);
}

Duration shortest(const std::vector<const Timeline*>& runs, Phase phase) {
  Duration out = Duration::max();
  for (const Timeline* run : runs) {
    const Span* const span = run->find(phase);
    if (span && !span->failed) out = std::min(out, span->length());
  }
  return out == Duration::max() ? Duration::zero() : out;
}

bool any_has(const std::vector<const Timeline*>& runs, Phase phase) {
  return std::ranges::any_of(runs, [&](const Timeline* run) { return run->find(phase); });
}

std::string in_millis(Duration span) {
  return fmt::format("{:.2f} ms", std::chrono::duration<double, std::milli>(span).count());
}

}  // namespace

Timeline predict_direct(const Network& network) {
  Writer writer({.proxied = false, .secure_proxy = false, .tls13 = is_tls13(network.handshake)});
  writer.add(Phase::kOriginLookup, network.resolve);
  writer.add(Phase::kOriginTcp, network.client_origin, "1 round trip");
  add_conversation(writer, network.handshake, network.client_origin);
  return writer.take();
}

Timeline predict_proxied(const Network& network, bool secure_proxy) {
  Writer writer(
      {.proxied = true, .secure_proxy = secure_proxy, .tls13 = is_tls13(network.handshake)});
  writer.add(Phase::kProxyLookup, {}, "not counted: it is in every cache");
  writer.add(Phase::kProxyTcp, network.client_proxy, "1 round trip to the proxy");
  if (secure_proxy) {
    writer.add(Phase::kProxyTls, network.client_proxy, "1 round trip to the proxy: TLS 1.3");
  }
  writer.add(Phase::kConnectSent, {});
  const Duration asked = writer.now();
  const Duration dial = network.spares ? Duration::zero() : network.proxy_origin;
  writer.add(Phase::kConnect, network.client_proxy + network.resolve + dial,
             "1 round trip to the proxy, and the proxy's share");
  const Duration arrived = asked + network.client_proxy / 2;
  writer.put(Phase::kProxyResolve, arrived, arrived + network.resolve);
  writer.put(Phase::kProxyDial, arrived + network.resolve, arrived + network.resolve + dial,
             network.spares ? "a connection was ready" : "1 round trip to the origin");
  writer.add(Phase::kEstablished, {});
  add_conversation(writer, network.handshake, network.client_proxy + network.proxy_origin);
  return writer.take();
}

Fitted fit(const Assumptions& given, const std::vector<const Timeline*>& measured) {
  Fitted out;
  const auto take = [&](const char* name, const std::optional<Duration>& said, Duration found,
                        const char* where) {
    out.sources += fmt::format("{}{} {} ({})", out.sources.empty() ? "" : ", ", name,
                               in_millis(said.value_or(found)), said ? "given" : where);
    return said.value_or(found);
  };
  Network& network = out.network;
  network.spares = given.spares;
  if (measured.empty()) {
    network.client_proxy = given.client_proxy.value_or(Duration{});
    network.proxy_origin = given.proxy_origin.value_or(Duration{});
    network.client_origin =
        given.client_origin.value_or(network.client_proxy + network.proxy_origin);
    network.resolve = given.resolve.value_or(Duration{});
    network.handshake = given.handshake.value_or(Handshake::kTls13);
    return out;
  }
  const bool proxied = any_has(measured, Phase::kConnect);
  if (proxied) {
    network.client_proxy = take("client-proxy", given.client_proxy,
                                shortest(measured, Phase::kProxyTcp), "TCP to the proxy");
    const bool told = any_has(measured, Phase::kProxyDial);
    const Duration share =
        std::max(Duration::zero(), shortest(measured, Phase::kConnect) - network.client_proxy);
    network.resolve = take("resolve", given.resolve, shortest(measured, Phase::kProxyResolve),
                           told ? "Server-Timing" : "not told, so taken as none");
    network.proxy_origin =
        take("proxy-origin", given.proxy_origin,
             told ? shortest(measured, Phase::kProxyDial)
                  : std::max(Duration::zero(), share - network.resolve),
             told ? "Server-Timing" : "wait for the 200 less client-proxy and resolve");
    network.client_origin =
        given.client_origin.value_or(network.client_proxy + network.proxy_origin);
  } else {
    network.resolve = take("resolve", given.resolve, shortest(measured, Phase::kOriginLookup),
                           "look-up of the origin");
    network.client_origin = take("client-origin", given.client_origin,
                                 shortest(measured, Phase::kOriginTcp), "TCP to the origin");
  }
  const bool tls13 = measured.front()->way.tls13;
  network.handshake = given.handshake.value_or(tls13 ? Handshake::kTls13 : Handshake::kTls12);
  return out;
}

}  // namespace penstock::probe
