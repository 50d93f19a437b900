#include "session/ledger.h"

#include <algorithm>
#include <charconv>

#include "base/json.h"
#include "base/wall_time.h"
#include "observe/probes.h"
#include "session/entrance.h"
#include "session/http2.h"
#include "session/origin_stream.h"
#include "sys/socket.h"

namespace penstock::session {

namespace probe = observe::probe;

namespace {

// Where a step was not reached its field is absent rather than zero.
void time_field(JsonWriter& json, std::string_view name, Micros micros) {
  if (micros.reached()) json.field(name, micros.value());
}

void groups(JsonWriter& json, const Connection& c) {
  if (!c.who || c.who->groups.empty()) return;
  json.key("groups").begin_array();
  for (const std::string& group : c.who->groups) json.value(group);
  json.end_array();
}

void who_and_what(JsonWriter& json, const Connection& c) {
  const Story& story = c.story;
  json.field("client", story.client.text()).field("identity", c.asker().identity);
  groups(json, c);
  if (c.entrance) json.field("protocol", c.entrance->protocol());
  if (const Http2Stream* const stream = Http2Stream::of(c)) {
    json.field("trunk", log_id(c.worker, stream->trunk_number()));
  }
  if (c.is_trunk) json.field("streams", uint64_t{c.streams});
  if (!story.target.host.empty()) {
    const std::string_view method = c.forward ? c.forward->request.method : c.asker().method;
    json.field("method", method).field("authority", story.target.text());
    if (c.forward && (c.inside || c.config().log.path)) {
      json.field("path", c.forward->request.path);
    }
    return;
  }
  const std::string_view asked = story.asked ? std::string_view(*story.asked) : std::string_view();
  const size_t space = std::min(asked.find(' '), asked.size());
  json.field("method", asked.substr(0, space));
  const std::string_view target = asked.substr(std::min(space + 1, asked.size()));
  json.field("authority", target.substr(0, target.find('?')));  // a query is where secrets travel
}

// Whoever was read is told so by the log, too.
void inspected(JsonWriter& json, const Connection& c) {
  if (!c.inside) return;
  json.field("inspected", true);
  if (c.inside->tunnel != c.story.number) {
    json.field("tunnel", log_id(c.worker, c.inside->tunnel));
  }
  if (c.forward && c.origin) json.field("origin_protocol", c.forward->stream ? "h2" : "http/1.1");
  if (c.inside->fault) json.field("origin_fault", std::string_view(c.inside->fault));
}

// What services were shown of it, and what they made of that.
void icap(JsonWriter& json, const Connection& c) {
  if (!c.forward || !c.forward->icap) return;
  const IcapNotes& notes = *c.forward->icap;
  json.key("icap").begin_object();
  for (size_t i = 0; i < kAdaptedMessages.size(); ++i) {
    if (!notes.results[i]) continue;
    const std::string message(kAdaptedMessages[i]);
    json.field(message, kAdaptedWords[static_cast<size_t>(*notes.results[i])]);
    time_field(json, message + "_us", notes.took[i]);
  }
  if (!notes.threat.empty()) json.field("threat", notes.threat);
  json.end_object();
}

// What the sender in front of us said, where there is one.
void announced(JsonWriter& json, const Story& story) {
  if (!story.announced) return;
  const Announced& said = *story.announced;
  json.field("peer", said.peer.text()).key("announced").begin_object();
  const auto note = [&json](std::string_view name, const std::string& text) {
    if (!text.empty()) json.field(name, text);
  };
  note("authority", said.authority);
  note("alpn", said.alpn);
  note("unique_id", said.unique_id);
  note("tls_version", said.tls_version);
  note("tls_name", said.tls_name);
  json.end_object();
}

// Also where it was what refused the connection.
void quota(JsonWriter& json, const Connection& c) {
  if (c.quota_share) {
    json.field("quota", c.quota_share.quota());
  } else if (c.story.error && c.story.error->facts().status == 429 &&
             c.story.error->code != Code::kLoginRate) {
    if (const auto* quota = c.config().quotas->find(c.asker())) json.field("quota", quota->name);
  }
}

// Of the connection to the proxy itself; `sni` and `alpn` beside it are the tunnel's.
void security(JsonWriter& json, const Connection& c) {
  if (!c.secured) return;
  const tls::Peer& peer = *c.secured;
  json.key("tls").begin_object();
  json.field("version", std::string_view(peer.version_word));
  json.field("cipher", std::string_view(peer.cipher));
  json.field("alpn", peer.alpn).field("sni", peer.sni).field("resumed", peer.resumed);
  json.field("kernel", peer.kernel);
  if (peer.certificate) json.field("client_subject", peer.certificate->subject);
  json.field("handshake_us", micros_between({}, Instant(peer.took))).end_object();
}

void judgement(JsonWriter& json, const Story& story, bool reused) {
  json.field("rule", story.rule ? std::string_view(story.rule->name) : std::string_view());
  json.field("verdict", !story.judged ? "none" : story.allowed ? "allowed" : "denied");
  json.field("would_deny", story.would_deny);
  json.field("route", story.route.port != 0 ? story.route.text() : std::string());
  if (story.parent) {
    json.field("parent", story.parent->authority);
    if (story.parent->tls) json.field("parent_tls", std::string_view(story.parent->tls));
    if (story.parent->reason) json.field("parent_reason", std::string_view(story.parent->reason));
  }
  if (story.spare) json.field(reused ? "reused" : "spare", true);
  if (!story.hello) return;
  json.field("sni", story.hello->sni)
      .field("alpn", story.hello->alpn)
      .field("ech", story.hello->ech);
  if (story.hello->ja4) json.field("ja4", *story.hello->ja4);
}

void ending(JsonWriter& json, const Story& story, std::string_view outcome) {
  json.field("outcome", outcome);
  json.field("error", story.error ? story.error->facts().word : std::string_view());
  json.field("side", story.error ? side_word(story.error->facts().side) : std::string_view());
  if (story.error && story.error->sys_errno != 0) json.field("errno", story.error->sys_errno);
  json.field("status", static_cast<int64_t>(story.status));
}

void times(JsonWriter& json, const StepTimes& times, int64_t total_us) {
  time_field(json, "head_us", times.head);
  time_field(json, "identify_us", times.identify);
  time_field(json, "queue_us", times.queue);
  time_field(json, "resolve_us", times.resolve);
  time_field(json, "dial_us", times.dial);
  time_field(json, "hello_us", times.hello);
  time_field(json, "server_hello_us", times.server_hello);
  json.field("total_us", total_us);
}

void kernel_view(JsonWriter& json, const Connection& c) {
  if (!c.origin) return;
  const OriginStream* const stream = c.forward ? c.forward->stream : nullptr;
  const auto facts = sys::tcp_facts(stream ? stream->socket() : c.origin.fd());
  if (!facts) return;
  json.key("tcp").begin_object();
  if (c.story.times.connect.reached()) {
    time_field(json, "connect_us", c.story.times.connect);
    json.field("syn_retransmits", uint64_t{c.story.syn_retransmits});
  }
  json.field("rtt_us", uint64_t{facts->rtt_us}).field("min_rtt_us", uint64_t{facts->min_rtt_us});
  json.field("retransmits", uint64_t{facts->retransmits}).end_object();
}

int64_t age_us(Connection& c) {
  return micros_between(c.story.accepted, c.worker.loop().read_clock());
}

void write_line(Connection& c, std::string_view outcome, int64_t total_us) {
  std::string line;
  line.reserve(768);
  std::string when;
  append_utc(when, std::chrono::system_clock::now());
  JsonWriter json(line);
  json.begin_object().field("time", when).field("id", log_id(c)).field("worker", c.worker.number());
  who_and_what(json, c);
  inspected(json, c);
  announced(json, c.story);
  security(json, c);
  quota(json, c);
  judgement(json, c.story, c.forward && c.forward->reused);
  ending(json, c.story, outcome);
  json.field("bytes_up", c.story.up.total()).field("bytes_down", c.story.down.total());
  if (c.forward) time_field(json, "response_us", c.forward->response);
  icap(json, c);
  times(json, c.story.times, total_us);
  kernel_view(json, c);
  json.end_object();
  c.worker.log().write(line);  // the sink counts those that find no room
}

void record(observe::Histogram& histogram, Micros micros) {
  if (micros.reached()) histogram.record(std::chrono::microseconds(micros.value()));
}

// The origin's first byte after the ClientHello that was passed on to it.
void note_server_hello(Story& story) {
  if (!story.hello || story.down.first < story.hello->passed_on ||
      story.times.server_hello.reached())
    return;
  story.times.server_hello.add(story.hello->passed_on, story.down.first);
}

void count_request(Metrics& metrics, const Connection& c) {
  const auto method = std::ranges::find(kMethodWords, c.forward->request.method);
  const auto row = static_cast<size_t>(
      std::min<ptrdiff_t>(method - kMethodWords.begin(), ptrdiff_t{kMethodClasses} - 1));
  const auto status = static_cast<size_t>(c.story.status) / 100;
  metrics.requests[row][status == 0 ? kStatusClasses - 1 : status - 1].add();
}

// A trunk is no tunnel: it has ended in order, or it was ended.
Outcome outcome_of(const Connection& c) {
  if (!c.is_trunk) return c.story.outcome();
  return c.story.error ? Outcome::kCut : Outcome::kClosed;
}

}  // namespace

std::string log_id(const Worker& worker, uint64_t connection) {
  std::string id;
  for (const uint64_t number :
       {uint64_t{worker.epoch()}, static_cast<uint64_t>(worker.number()), connection}) {
    char digits[17];
    const auto end = std::to_chars(digits, digits + sizeof(digits), number, 16).ptr;
    if (!id.empty()) id += '-';
    id.append(digits, end);
  }
  return id;
}

std::string log_id(const Connection& c) {
  return log_id(c.worker, c.story.number);
}

void settle(Connection& c) {
  Metrics& metrics = c.worker.metrics();
  note_server_hello(c.story);
  const Outcome outcome = outcome_of(c);
  if (!c.story.error && outcome == Outcome::kLeft) c.story.error = Error{Code::kClientGone};
  const size_t column = c.story.error ? static_cast<size_t>(c.story.error->code) : kCodeCount;
  metrics.connections[static_cast<size_t>(outcome)][column].add();
  if (c.entrance && !c.is_trunk) {
    const auto word = std::ranges::find(kProtocols, c.entrance->protocol());
    if (word != kProtocols.end()) {
      metrics.protocols[static_cast<size_t>(word - kProtocols.begin())].add();
    }
  }
  if (c.forward) count_request(metrics, c);
  if (c.story.opening.reached()) metrics.tunnels.depart(c.story.opened(), c.worker.loop().now());
  // What is refused anyway was not let through by report mode.
  c.story.would_deny = c.story.would_deny && c.story.established;
  if (c.story.would_deny) metrics.would_deny.add();
  record(metrics.head, c.story.times.head);
  record(metrics.identify, c.story.times.identify);
  record(metrics.queue, c.story.times.queue);
  record(metrics.resolve, c.story.times.resolve);
  record(metrics.dial, c.story.times.dial);
  record(metrics.hello, c.story.times.hello);
  record(metrics.server_hello, c.story.times.server_hello);
  record(metrics.kernel_connect, c.story.times.connect);
  const int64_t total_us = age_us(c);
  if (c.story.step == Step::kCarry) {
    probe::carry(c.step_end(total_us), c.story.up.total(), c.story.down.total());
  }
  const char* how = outcome_word(outcome).data();  // a literal: a NUL stands behind it
  probe::settle(c.step_end(total_us, probe::word(c.story.error)), how);
  write_line(c, outcome_word(outcome), total_us);
}

void log_progress(Connection& c) {
  note_server_hello(c.story);
  write_line(c, "open", age_us(c));
}

}  // namespace penstock::session
