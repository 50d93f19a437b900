#include "cli/probe_options.h"

#include "cli/option_reader.h"

namespace penstock::cli {
namespace {

using probe::Compare;
using probe::Handshake;

constexpr uint64_t kRunsMax = 10'000;

constexpr Words<Compare, 2> kCompares = {
    {{"direct", Compare::kDirect}, {"model", Compare::kModel}}};
constexpr Words<Handshake, 4> kHandshakes = {{{"1.3", Handshake::kTls13},
                                              {"1.2", Handshake::kTls12},
                                              {"resumed", Handshake::kResumed},
                                              {"0rtt", Handshake::kZeroRtt}}};

class ProbeReader : private OptionReader {
 public:
  ProbeReader(const ProbeOptions& written, const probe::Environment& environment)
      : written_(written), environment_(environment) {}

  std::expected<probe::Options, std::string> read() {
    out_.model = written_.model;
    const bool good = read_assumptions() && read_output() &&
                      (written_.model ? read_model() : read_request() && read_comparison());
    if (!good) return std::unexpected(fault_);
    return std::move(out_);
  }

 private:
  bool read_assumptions();
  bool read_output();
  bool read_model();
  bool read_request();
  bool read_proxy();
  bool read_comparison();

  bool read_span(const char* option, const Word& word, std::optional<Duration>* out) {
    if (!word) return true;
    return read_duration(option, word, true, &out->emplace());
  }

  const ProbeOptions& written_;
  const probe::Environment& environment_;
  probe::Options out_;
};

bool ProbeReader::read_assumptions() {
  probe::Assumptions& assumed = out_.assumptions;
  assumed.secure_proxy = written_.https_proxy;
  assumed.spares = written_.spares;
  if (written_.tls &&
      !read_word("--tls", written_.tls, kHandshakes, &assumed.handshake.emplace())) {
    return false;
  }
  return read_span("--rtt-client-proxy", written_.rtt_client_proxy, &assumed.client_proxy) &&
         read_span("--rtt-proxy-origin", written_.rtt_proxy_origin, &assumed.proxy_origin) &&
         read_span("--rtt-client-origin", written_.rtt_client_origin, &assumed.client_origin) &&
         read_span("--resolve", written_.resolve, &assumed.resolve);
}

bool ProbeReader::read_output() {
  for (const auto& [option, word] :
       {std::pair("--csv", &written_.csv), std::pair("--svg", &written_.svg)}) {
    if (*word && (*word)->empty()) return fail("{}: \"\" is no file name", option);
  }
  out_.csv = written_.csv.value_or("");
  out_.svg = written_.svg.value_or("");
  out_.json = written_.json;
  return true;
}

// Nothing is asked for, so nothing about a request may be said.
bool ProbeReader::read_model() {
  if (written_.url) {
    return fail(
        "--model predicts without a network; leave out \"{}\", or write --compare model to see "
        "the prediction beside a measurement",
        *written_.url);
  }
  for (const auto& [option, given] :
       {std::pair("--proxy", written_.proxy.has_value()), std::pair("--direct", written_.direct),
        std::pair("--runs", written_.runs.has_value()),
        std::pair("--compare", written_.compare.has_value()),
        std::pair("--timeout", written_.timeout.has_value()),
        std::pair("--ca", written_.ca.has_value()), std::pair("--insecure", written_.insecure)}) {
    if (given) return fail("{} is for a request, and --model makes none; leave it out", option);
  }
  if (!written_.rtt_client_proxy || !written_.rtt_proxy_origin) {
    return fail("{} is missing; write --model --rtt-client-proxy 20ms --rtt-proxy-origin 35ms",
                written_.rtt_client_proxy ? "--rtt-proxy-origin" : "--rtt-client-proxy");
  }
  return true;
}

bool ProbeReader::read_proxy() {
  if (written_.direct) {
    out_.proxy_from = "--direct";
    return !written_.proxy || fail("--direct goes without a proxy; leave out --proxy");
  }
  const std::string& text = written_.proxy ? *written_.proxy : environment_.https_proxy;
  out_.proxy_from = written_.proxy ? "--proxy" : "HTTPS_PROXY";
  if (!written_.proxy && text.empty()) {
    out_.proxy_from = "no --proxy, no HTTPS_PROXY";
    return true;
  }
  if (!written_.proxy && probe::goes_direct(environment_.no_proxy, out_.url.authority)) {
    out_.proxy_from = "by NO_PROXY";
    return true;
  }
  auto proxy = http::parse_proxy_url(text);
  if (!proxy) return fail("{}: {}", out_.proxy_from, proxy.error());
  out_.proxy = std::move(*proxy);
  return true;
}

bool ProbeReader::read_request() {
  if (!written_.url) return fail("the URL is missing; write penstock probe https://example.com/");
  auto url = probe::parse_url(*written_.url);
  if (!url) return fail("{}", url.error());
  out_.url = std::move(*url);
  if (written_.ca && written_.ca->empty()) return fail("--ca: \"\" is no file name");
  out_.ca = written_.ca.value_or("");
  out_.insecure = written_.insecure;
  return read_proxy() && read_number("--runs", written_.runs, 1, kRunsMax, &out_.runs) &&
         read_duration("--timeout", written_.timeout, false, &out_.patience);
}

bool ProbeReader::read_comparison() {
  if (!read_word("--compare", written_.compare, kCompares, &out_.compare)) return false;
  if (out_.compare == Compare::kDirect && !out_.proxy) {
    return fail("--compare direct needs a proxy to compare with; there is none ({})",
                out_.proxy_from);
  }
  if (out_.compare == Compare::kModel) {
    if (written_.https_proxy) {
      return fail("--https-proxy is for --model; here the proxy's URL says it (https://)");
    }
    return true;
  }
  for (const auto& [option, given] :
       {std::pair("--rtt-client-proxy", written_.rtt_client_proxy.has_value()),
        std::pair("--rtt-proxy-origin", written_.rtt_proxy_origin.has_value()),
        std::pair("--rtt-client-origin", written_.rtt_client_origin.has_value()),
        std::pair("--resolve", written_.resolve.has_value()),
        std::pair("--tls", written_.tls.has_value()),
        std::pair("--https-proxy", written_.https_proxy), std::pair("--spares", written_.spares)}) {
    if (given) return fail("{} is for --model or --compare model; give one of them", option);
  }
  return true;
}

}  // namespace

std::expected<probe::Options, std::string> read(const ProbeOptions& written,
                                                const probe::Environment& environment) {
  return ProbeReader(written, environment).read();
}

}  // namespace penstock::cli
