#include "admin/metrics_page.h"

#include <array>

#include "admin/inspection_metrics.h"
#include "admin/key_metrics.h"
#include "admin/sums.h"
#include "admin/tls_metrics.h"
#include "observe/prometheus.h"
#include "session/story.h"

namespace penstock::admin {
namespace {

using observe::Census;
using observe::Counter;
using observe::Histogram;
using observe::HistogramCounts;
using observe::Population;
using observe::PrometheusText;
using session::Metrics;

Census sum(const Snapshot& snapshot, Population Metrics::* member) {
  Census total;
  for (const auto& worker : snapshot.workers) total += ((*worker.metrics).*member).census();
  return total;
}

HistogramCounts sum(const Snapshot& snapshot, Histogram Metrics::* member) {
  HistogramCounts total;
  for (const auto& worker : snapshot.workers) total += ((*worker.metrics).*member).counts();
  return total;
}

void single(PrometheusText& text, std::string_view name, std::string_view type,
            std::string_view help, uint64_t value) {
  text.metric(name, type, help);
  text.sample({}, value);
}

void connections(PrometheusText& text, const Snapshot& snapshot) {
  text.metric("penstock_connections_total", "counter", "Connections that ended, by how and why.");
  for (int outcome = 0; outcome < session::kOutcomeCount; ++outcome) {
    for (int code = 0; code <= kCodeCount; ++code) {
      const uint64_t count = sum_of(snapshot, [&](const Metrics& metrics) -> auto& {
        return metrics.connections[static_cast<size_t>(outcome)][static_cast<size_t>(code)];
      });
      if (count == 0) continue;
      const auto word = session::outcome_word(static_cast<session::Outcome>(outcome));
      const auto error =
          code == kCodeCount ? std::string_view() : facts(static_cast<Code>(code)).word;
      text.sample({{"outcome", word}, {"error", error}}, count);
    }
  }
}

void protocols(PrometheusText& text, const Snapshot& snapshot) {
  text.metric("penstock_protocol_connections_total", "counter",
              "Connections that ended, by the protocol in which the client asked.");
  for (size_t i = 0; i < session::kProtocols.size(); ++i) {
    const uint64_t count =
        sum_of(snapshot, [&](const Metrics& metrics) -> auto& { return metrics.protocols[i]; });
    text.sample({{"protocol", session::kProtocols[i]}}, count);
  }
}

void requests(PrometheusText& text, const Snapshot& snapshot) {
  constexpr std::array<std::string_view, session::kStatusClasses> kStatuses = {
      "1xx", "2xx", "3xx", "4xx", "5xx", "none"};
  text.metric("penstock_requests_total", "counter",
              "Forwarded requests, by method and by what the client was told.");
  for (size_t method = 0; method < session::kMethodClasses; ++method) {
    for (size_t status = 0; status < session::kStatusClasses; ++status) {
      const uint64_t count = sum_of(snapshot, [&](const Metrics& metrics) -> auto& {
        return metrics.requests[method][status];
      });
      if (count == 0) continue;
      text.sample({{"method", session::kMethodWords[method]}, {"status", kStatuses[status]}},
                  count);
    }
  }
  text.metric("penstock_idle_connections", "gauge", "Connections between two forwarded requests.");
  text.sample({{"side", "client"}}, sum(snapshot, &Metrics::clients_idle));
  text.sample({{"side", "origin"}}, sum(snapshot, &Metrics::origins_idle));
  single(text, "penstock_origins_reused_total", "counter",
         "Requests sent by an origin connection that had carried others.",
         sum(snapshot, &Metrics::origins_reused));
}

void http2(PrometheusText& text, const Snapshot& snapshot) {
  single(text, "penstock_http2_connections_open", "gauge", "Connections of HTTP/2 with clients.",
         sum(snapshot, &Metrics::http2_open));
  single(text, "penstock_http2_connections_total", "counter",
         "Connections of HTTP/2 that clients have opened.",
         sum(snapshot, &Metrics::http2_connections));
  single(text, "penstock_http2_streams_total", "counter",
         "Streams that were asked for by them; those that began are connections as well.",
         sum(snapshot, &Metrics::http2_streams));
  single(text, "penstock_origin_http2_connections_open", "gauge",
         "Connections of HTTP/2 with origins of inspected tunnels.",
         sum(snapshot, &Metrics::origin_http2_open));
  single(text, "penstock_origin_http2_connections_total", "counter",
         "Connections of HTTP/2 that were made to origins.",
         sum(snapshot, &Metrics::origin_http2_connections));
  single(text, "penstock_origin_http2_streams_total", "counter",
         "Requests that went by them, a stream each.",
         sum(snapshot, &Metrics::origin_http2_streams));
  text.metric("penstock_http2_resets_total", "counter", "RST_STREAM frames, by who sent them.");
  text.sample({{"by", "client"}}, sum(snapshot, &Metrics::http2_client_resets));
  text.sample({{"by", "proxy"}}, sum(snapshot, &Metrics::http2_proxy_resets));
  single(text, "penstock_http2_goaways_total", "counter", "GOAWAY frames that were sent.",
         sum(snapshot, &Metrics::http2_goaways));
}

void steps(PrometheusText& text, const Snapshot& snapshot) {
  text.metric("penstock_step_seconds", "histogram", "How long each step of a connection waited.");
  text.histogram({{"step", "tls"}}, sum(snapshot, &Metrics::tls));
  text.histogram({{"step", "head"}}, sum(snapshot, &Metrics::head));
  text.histogram({{"step", "identify"}}, sum(snapshot, &Metrics::identify));
  text.histogram({{"step", "queue"}}, sum(snapshot, &Metrics::queue));
  text.histogram({{"step", "resolve"}}, sum(snapshot, &Metrics::resolve));
  text.histogram({{"step", "dial"}}, sum(snapshot, &Metrics::dial));
  text.histogram({{"step", "hello"}}, sum(snapshot, &Metrics::hello));
  text.histogram({{"step", "server_hello"}}, sum(snapshot, &Metrics::server_hello));
  text.metric("penstock_kernel_connect_seconds", "histogram",
              "SYN to SYN-ACK of connections to origins, by the kernel's clock.");
  text.histogram({}, sum(snapshot, &Metrics::kernel_connect));
}

void bytes(PrometheusText& text, const Snapshot& snapshot) {
  text.metric("penstock_bytes_total", "counter", "Bytes delivered through tunnels.");
  const auto sample = [&](std::string_view direction, std::string_view path,
                          Counter Metrics::* member) {
    text.sample({{"direction", direction}, {"path", path}}, sum(snapshot, member));
  };
  sample("up", "copy", &Metrics::bytes_up_copied);
  sample("up", "splice", &Metrics::bytes_up_spliced);
  sample("down", "copy", &Metrics::bytes_down_copied);
  sample("down", "splice", &Metrics::bytes_down_spliced);
}

void admission(PrometheusText& text, const Snapshot& snapshot) {
  single(text, "penstock_tunnels_open", "gauge", "Tunnels that are established now.",
         sum(snapshot, &Metrics::tunnels).present());
  single(text, "penstock_seats_taken", "gauge", "Connections that hold a seat now.",
         snapshot.seats_taken);
  single(text, "penstock_seats", "gauge", "Connections that there is room for.", snapshot.seats);
  single(text, "penstock_pending", "gauge", "Tunnels that are being set up now.",
         snapshot.door.pending);
  single(text, "penstock_waiting", "gauge", "Set-ups that wait for a permit now.",
         snapshot.door.waiting);
  single(text, "penstock_queue_standing", "gauge",
         "1 while the queue for permits stands: the newest are served first.",
         snapshot.door.overloaded ? 1 : 0);
  text.metric("penstock_breakers", "gauge", "Destinations whose breaker is not closed.");
  text.sample({{"state", "open"}}, snapshot.door.breakers_open);
  text.sample({{"state", "half_open"}}, snapshot.door.breakers_half_open);
  single(text, "penstock_breakers_opened_total", "counter", "Breakers of destinations that opened.",
         snapshot.door.breakers_opened);
  single(text, "penstock_accepted_total", "counter", "Connections accepted.",
         sum(snapshot, &Metrics::accepted));
  single(text, "penstock_shed_total", "counter",
         "Connections refused at the door, for want of a seat or descriptor.",
         sum(snapshot, &Metrics::shed));
  single(text, "penstock_accept_errors_total", "counter", "Failed accepts.",
         sum(snapshot, &Metrics::accept_errors));
  text.metric("penstock_descriptors", "gauge", "File descriptors.");
  text.sample({{"state", "open"}}, snapshot.descriptors_open);
  text.sample({{"state", "limit"}}, snapshot.descriptors_limit);
  text.metric("penstock_pipes", "gauge", "Pipes for splicing.");
  text.sample({{"state", "in_use"}}, sum(snapshot, &Metrics::pipes_in_use));
  text.sample({{"state", "idle"}}, sum(snapshot, &Metrics::pipes_idle));
}

void quotas(PrometheusText& text, const Snapshot& snapshot) {
  single(text, "penstock_quota_accounts", "gauge", "Accounts that hold tunnels or owe.",
         snapshot.quota_accounts);
  text.metric("penstock_quota_refused_total", "counter",
              "Tunnels refused by a quota, by what there was no more of.");
  for (const auto& [quota, refused] : snapshot.quota_refusals) {
    text.sample({{"quota", quota}, {"reason", "tunnels"}}, refused.tunnels);
    text.sample({{"quota", quota}, {"reason", "setups"}}, refused.setups);
    text.sample({{"quota", quota}, {"reason", "bytes"}}, refused.bytes);
  }
}

void logins(PrometheusText& text, const Snapshot& snapshot) {
  constexpr std::array<std::string_view, session::kLoginResultCount> kResults = {
      "accepted", "cached", "rejected", "limited", "busy", "failed"};
  text.metric("penstock_authentications_total", "counter",
              "Clients that were identified or not, by provider and what became of it.");
  for (size_t provider = 0; provider < identity::kProviderCount; ++provider) {
    for (size_t result = 0; result < kResults.size(); ++result) {
      const uint64_t total = sum_of(snapshot, [&](const Metrics& metrics) -> auto& {
        return metrics.logins[provider][result];
      });
      text.sample({{"provider", identity::provider_word(identity::Provider(provider))},
                   {"result", kResults[result]}},
                  total);
    }
  }
  single(text, "penstock_credentials_waiting", "gauge", "Credentials in line to be checked.",
         snapshot.logins_waiting);
  single(text, "penstock_credentials_known", "gauge", "Credentials that were found right lately.",
         snapshot.logins_known);
}

void memory(PrometheusText& text, const Snapshot& snapshot) {
  text.metric("penstock_memory_bytes", "gauge", "Memory in use and allowed; a limit of 0 is none.");
  text.sample({{"state", "resident"}}, snapshot.memory.resident);
  text.sample({{"state", "limit"}}, snapshot.memory.limit);
  text.sample({{"state", "group_used"}}, snapshot.memory.group_used);
  text.sample({{"state", "group_limit"}}, snapshot.memory.group_limit);
  single(text, "penstock_memory_short", "gauge", "1 while new tunnels are refused for it.",
         snapshot.memory_short ? 1 : 0);
}

// What Prometheus needs to measure Little's law over a window of its own.
void populations(PrometheusText& text, const Snapshot& snapshot) {
  const auto one = [&](const std::string& name, const std::string& thing,
                       Population Metrics::* member) {
    const Census census = sum(snapshot, member);
    const auto seconds = [](uint64_t ns) { return static_cast<double>(ns) * 1e-9; };
    single(text, "penstock_" + name + "s_total", "counter", thing + " that began.",
           census.arrivals);
    single(text, "penstock_" + name + "s_ended_total", "counter", thing + " that ended.",
           census.departures);
    text.metric("penstock_" + name + "_seconds_total", "counter",
                "How long those took that ended, in all.");
    text.sample({}, seconds(census.stayed_ns));
    text.metric("penstock_" + name + "_presence_seconds_total", "counter",
                "How many there are, integrated over time.");
    text.sample({}, seconds(census.presence_ns));
  };
  one("setup", "Set-ups", &Metrics::set_ups);
  one("tunnel", "Tunnels", &Metrics::tunnels);
}

// The same over the last ten seconds, for people.
void window(PrometheusText& text, const Snapshot& snapshot) {
  if (!snapshot.measured) return;
  const Measured& measured = *snapshot.measured;
  text.metric("penstock_utilisation", "gauge", "Share of the last 10 s that a worker was busy.");
  for (size_t i = 0; i < measured.utilisation.size(); ++i) {
    text.sample({{"worker", std::to_string(i)}}, measured.utilisation[i]);
  }
  text.metric("penstock_littles_law", "gauge",
              "Arrivals per second, mean stay, mean number present, and what that is by the law.");
  const auto one = [&](std::string_view of, const observe::LittlesLaw& law) {
    text.sample({{"quantity", "lambda"}, {"of", of}}, law.lambda);
    if (law.w) text.sample({{"quantity", "w"}, {"of", of}}, *law.w);
    text.sample({{"quantity", "l"}, {"of", of}}, law.l);
    const auto lambda_w = law.lambda_w();
    if (lambda_w) text.sample({{"quantity", "lambda_w"}, {"of", of}}, *lambda_w);
  };
  one("setups", measured.set_ups);
  one("tunnels", measured.tunnels);
  text.metric("penstock_p_wait", "gauge", "Erlang C: the chance that every worker is busy.");
  text.sample({}, measured.p_wait);
}

void dialling(PrometheusText& text, const Snapshot& snapshot) {
  text.metric("penstock_ephemeral_ports", "gauge",
              "Local ports taken towards origins, by source address, over all origins.");
  for (const auto& ports : snapshot.ports) {
    text.sample({{"source", ports.source}, {"state", "in_use"}}, ports.in_use);
    text.sample({{"source", ports.source}, {"state", "time_wait"}}, ports.resting);
  }
  single(text, "penstock_ephemeral_ports_range", "gauge",
         "Local ports that each source address has towards each origin.", snapshot.local_ports);
  text.metric("penstock_ports_refused_total", "counter",
              "Attempts for which a source address had no port, by who knew.");
  text.sample({{"by", "ledger"}}, snapshot.ports_refused);
  text.sample({{"by", "kernel"}}, snapshot.ports_refused_by_kernel);
  single(text, "penstock_routes_open", "gauge",
         "Addresses that are not tried for now, since most attempts to connect failed.",
         snapshot.routes_open);
  single(text, "penstock_routes_passed_over_total", "counter",
         "How often such an address was passed over.", snapshot.routes_passed_over);
  text.metric("penstock_spares", "gauge", "Spare connections to origins.");
  text.sample({{"state", "ready"}}, sum(snapshot, &Metrics::spares_ready));
  text.metric("penstock_spares_total", "counter",
              "Spare connections to origins, by what became of them.");
  text.sample({{"result", "used"}}, sum(snapshot, &Metrics::spares_used));
  text.sample({{"result", "expired"}}, sum(snapshot, &Metrics::spares_expired));
  text.sample({{"result", "closed"}}, sum(snapshot, &Metrics::spares_closed));
  text.sample({{"result", "failed"}}, sum(snapshot, &Metrics::spares_failed));
}

void names(PrometheusText& text, const Snapshot& snapshot) {
  text.metric("penstock_dns_answers_total", "counter",
              "Questions for the addresses of a name, by where the answer came from.");
  text.sample({{"source", "lookup"}}, sum(snapshot, &Metrics::dns_lookups));
  text.sample({{"source", "cache"}}, sum(snapshot, &Metrics::dns_hits));
  text.sample({{"source", "coalesced"}}, sum(snapshot, &Metrics::dns_coalesced));
  text.sample({{"source", "stale"}}, sum(snapshot, &Metrics::dns_stale));
  single(text, "penstock_dns_failures_total", "counter", "Names that could not be resolved.",
         sum(snapshot, &Metrics::dns_failures));
  single(text, "penstock_dns_cache_entries", "gauge", "Names in the caches.",
         sum(snapshot, &Metrics::dns_entries));
  single(text, "penstock_dns_in_flight", "gauge", "Lookups that wait for a name server.",
         sum(snapshot, &Metrics::dns_in_flight));
}

void policy(PrometheusText& text, const Snapshot& snapshot) {
  single(text, "penstock_policy_rules", "gauge", "Rules in force.", snapshot.rules);
  single(text, "penstock_would_deny_total", "counter", "Tunnels that only report mode let through.",
         sum(snapshot, &Metrics::would_deny));
  text.metric("penstock_reloads_total", "counter", "Reloads asked for, by what became of them.");
  text.sample({{"result", "done"}}, snapshot.reloads_done);
  text.sample({{"result", "refused"}}, snapshot.reloads_refused);
}

void process(PrometheusText& text, const Snapshot& snapshot) {
  text.metric("penstock_log_lines_total", "counter", "Access-log lines, by what became of them.");
  text.sample({{"result", "written"}}, snapshot.log_lines_written);
  text.sample({{"result", "dropped"}}, snapshot.log_lines_dropped);
  text.metric("penstock_loop_busy_seconds_total", "counter",
              "Time that a worker's loop was not asleep.");
  for (size_t i = 0; i < snapshot.workers.size(); ++i) {
    text.sample({{"worker", std::to_string(i)}},
                static_cast<double>(snapshot.workers[i].busy_ns) / 1e9);
  }
  text.metric("penstock_loop_stalls_total", "counter",
              "Turns of a worker's loop that took over 100 ms.");
  for (size_t i = 0; i < snapshot.workers.size(); ++i) {
    text.sample({{"worker", std::to_string(i)}}, snapshot.workers[i].stalls);
  }
  text.metric("penstock_uptime_seconds", "gauge", "Time since the process began.");
  text.sample({}, snapshot.uptime_seconds);
  text.metric("penstock_build_info", "gauge", "Always 1; the labels say which build this is.");
  text.sample({{"version", PENSTOCK_VERSION}}, uint64_t{1});
}

}  // namespace

std::string metrics_page(const Snapshot& snapshot) {
  PrometheusText text;
  connections(text, snapshot);
  protocols(text, snapshot);
  http2(text, snapshot);
  requests(text, snapshot);
  steps(text, snapshot);
  tls_metrics(text, snapshot);
  inspection_metrics(text, snapshot);
  bytes(text, snapshot);
  admission(text, snapshot);
  quotas(text, snapshot);
  logins(text, snapshot);
  key_metrics(text, snapshot);
  memory(text, snapshot);
  populations(text, snapshot);
  window(text, snapshot);
  dialling(text, snapshot);
  names(text, snapshot);
  policy(text, snapshot);
  process(text, snapshot);
  return text.take();
}

}  // namespace penstock::admin
