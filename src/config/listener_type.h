// A listener as it is written: its keys, those of its TLS, and what must hold between them.
#pragma once

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "config/value_types.h"

namespace penstock::config {

inline constexpr Word<Protocol> kProtocols[] = {{"http", Protocol::kHttp},
                                                {"http/1.1", Protocol::kHttp1},
                                                {"h2", Protocol::kHttp2},
                                                {"socks5", Protocol::kSocks5}};

inline constexpr Key<Certificate> kCertificateKeys[] = {
    key<Certificate, FileType, &Certificate::certificate>("certificate", kRequired),
    key<Certificate, FileType, &Certificate::key>("key", kRequired),
    key<Certificate, FileType, &Certificate::staple>("staple"),
};

inline constexpr Word<ClientCertificates> kClientCertificates[] = {
    {"off", ClientCertificates::kOff},
    {"optional", ClientCertificates::kOptional},
    {"required", ClientCertificates::kRequired}};

inline constexpr Word<bool> kKernelTls[] = {{"auto", true}, {"off", false}};

inline constexpr Key<Tls> kTlsKeys[] = {
    key<Tls, ListType<MapType<kCertificateKeys>, Emptiness::kRefused>, &Tls::certificates>(
        "certificates", kRequired),
    key<Tls, WordType<kClientCertificates>, &Tls::client_certificates>("client_certificates"),
    key<Tls, FileType, &Tls::client_ca>("client_ca"),
    key<Tls, BooleanType, &Tls::tickets>("tickets"),
    key<Tls, WordType<kKernelTls>, &Tls::kernel>("kernel"),
};

// A listener's TLS: the keys above and what must hold between them.
struct TlsType {
  static void read(const Node& node, const Path& path, Faults& faults, std::optional<Tls>& out) {
    Tls tls;
    MapType<kTlsKeys>::read(node, path, faults, tls);
    if (node.kind != Node::Kind::kMap) return;
    const Node* asked = node.find("client_certificates");
    const Node* ca = node.find("client_ca");
    const bool off = tls.client_certificates == ClientCertificates::kOff;
    if (!off && ca == nullptr) {
      blame(*asked, Path(path, "client_certificates"),
            "needs client_ca, the certificates of those who sign for clients", faults);
    }
    if (off && ca != nullptr) {
      blame(*ca, Path(path, "client_ca"),
            "has no meaning while clients are asked for no certificate; write "
            "client_certificates: optional or required",
            faults);
    }
    out = std::move(tls);
  }
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    MapType<kTlsKeys>::describe(std::move(facts), out);
  }
};

inline constexpr Word<Transparent> kTransparents[] = {{"redirect", Transparent::kRedirect},
                                                      {"tproxy", Transparent::kTproxy}};

inline constexpr Key<Listener> kProxyProtocolKeys[] = {
    key<Listener, ListType<PrefixType, Emptiness::kRefused>, &Listener::announcers>("from",
                                                                                    kRequired),
};

inline constexpr Key<Listener> kListenerKeys[] = {
    key<Listener, ListenerAddressType, whole_listener>("address", kRequired),
    key<Listener, ListType<WordType<kProtocols>, Emptiness::kRefused>, &Listener::protocols>(
        "protocols"),
    key<Listener, TlsType, &Listener::tls>("tls"),
    key<Listener, MapType<kProxyProtocolKeys>, whole_listener>("proxy_protocol"),
    key<Listener, WordType<kTransparents>, &Listener::transparent>("transparent"),
};

// A listener: the keys above and what must hold between them.
struct ListenerType {
  static void read(const Node& node, const Path& path, Faults& faults, Listener& out) {
    MapType<kListenerKeys>::read(node, path, faults, out);
    if (node.kind != Node::Kind::kMap) return;
    if (node.find("transparent") == nullptr) return;
    for (const std::string_view other : {"protocols", "proxy_protocol", "tls"}) {
      const Node* value = node.find(other);
      if (value == nullptr) continue;
      blame(*value, Path(path, other),
            "has no meaning with transparent, where clients do not know that there is a proxy; "
            "remove it",
            faults);
    }
  }
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    MapType<kListenerKeys>::describe(std::move(facts), out);
  }
};

}  // namespace penstock::config
