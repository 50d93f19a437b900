#include "admin/serve.h"

#include <array>
#include <cerrno>
#include <string>

#include "admin/capacity_page.h"
#include "admin/metrics_page.h"
#include "http/head.h"
#include "loop/stream.h"
#include "policy/address_class.h"
#include "sys/socket.h"

namespace penstock::admin {

using loop::Task;

namespace {

constexpr size_t kConnectionsMax = 64;
constexpr Duration kAcceptPause = std::chrono::milliseconds(100);
constexpr int kAcceptBatch = 32;  // then signals and others get their turn
constexpr http::HeadLimits kHeadLimits{8 * 1024, 64};

struct Page {
  std::string_view status = "200 OK";
  std::string_view type = "text/plain; charset=utf-8";
  std::string body;
};

std::string response(const Page& page, bool with_body) {
  std::string out = "HTTP/1.1 ";
  out += page.status;
  out += "\r\nContent-Type: ";
  out += page.type;
  out += "\r\nContent-Length: " + std::to_string(page.body.size());
  out +=
      "\r\nConnection: close\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\r\n";
  if (with_body) out += page.body;
  return out;
}

Task<Page> page_for(Controls& controls, std::string path) {
  path = path.substr(0, path.find('?'));
  if (path == "/metrics") {
    std::string metrics = co_await controls.metrics();
    co_return Page{.type = "text/plain; version=0.0.4; charset=utf-8", .body = std::move(metrics)};
  }
  if (path == "/capacity") {
    const Snapshot snapshot = co_await controls.snapshot();
    co_return Page{.type = "application/json", .body = capacity_page(snapshot)};
  }
  if (path == "/healthz") co_return Page{.body = "ok\n"};
  if (path == "/readyz") {
    if (controls.draining())
      co_return Page{.status = "503 Service Unavailable", .body = "draining\n"};
    co_return Page{.body = "ready\n"};
  }
  if (path == "/") {
    co_return Page{
        .body = "penstock " PENSTOCK_VERSION
                "\n\n/metrics   Prometheus text\n/capacity  load, limits and Little's law, JSON\n"
                "/healthz   alive\n/readyz    503 while draining\n"};
  }
  co_return Page{.status = "404 Not Found",
                 .body = "No such page. There are /metrics, /capacity, /healthz and /readyz.\n"};
}

// The request, or nothing when the client was too slow, left, or has been answered with an error.
Task<Result<http::GetRequest>> read_get(loop::Loop& loop, loop::Stream& client,
                                        loop::Timer& timer) {
  http::HeadReader reader(kHeadLimits);
  std::string received;
  std::array<uint8_t, 2048> buffer;
  for (;;) {
    const loop::Moved moved = client.read(buffer);
    if (moved.would_block()) {
      if (!co_await loop::readable(loop, client, timer)) co_return fail(Code::kHeadTimeout);
      continue;
    }
    if (!moved.bytes()) co_return fail(Code::kClientGone);
    // SAFETY: bytes are read as the characters of a request head.
    received.append(reinterpret_cast<const char*>(buffer.data()), static_cast<size_t>(moved.count));
    const auto complete = reader.advance(received);
    if (!complete) co_return std::unexpected(complete.error());
    if (*complete)
      co_return http::parse_get(std::string_view(received).substr(0, reader.length()), kHeadLimits);
  }
}

}  // namespace

Task<std::string> Controls::metrics() {
  const Snapshot now = co_await snapshot();
  co_return metrics_page(now);
}

AdminServer::AdminServer(loop::Loop& loop, Controls& controls, sys::Fd listener, Duration patience)
    : loop_(loop),
      controls_(controls),
      patience_(patience),
      listener_(std::move(listener)),
      source_(loop, listener_.get(), loop::Source::Trigger::kEdge, loop::kReadable) {
  const auto at = sys::local_endpoint(listener_.get());
  loopback_ = at && policy::classify(at->address) == policy::AddressClass::kLoopback;
  tasks_.start(accept_all());
}

// A page in somebody's browser can point a name of its own at a loopback address and read what is
// served there (DNS rebinding). A listener on loopback therefore answers to no other name.
bool AdminServer::is_our_name(const std::string& host) const {
  if (!loopback_ || host.empty() || host == "localhost") return true;
  return IpAddress::parse(host).has_value();
}

loop::RootTask AdminServer::accept_all() {
  for (int taken = 0;;) {
    auto accepted = sys::accept_connection(listener_.get());
    if (accepted) {
      if (open_ < kConnectionsMax) tasks_.start(answer(std::move(accepted->fd)));
      if (++taken % kAcceptBatch == 0) co_await loop::Wait(loop_).soon();
    } else if (accepted.error() == EAGAIN) {
      source_.clear(loop::kReadable);
      co_await loop::Wait(loop_).on(source_, loop::kReadable);
    } else {
      co_await loop::SleepUntil(loop_, loop_.now() + kAcceptPause);
    }
  }
}

loop::RootTask AdminServer::answer(sys::Fd fd) {
  struct Open {
    size_t& count;
    explicit Open(size_t& c) : count(c) { ++count; }
    ~Open() { --count; }
  } const open(open_);
  loop::Stream client(loop_, std::move(fd));
  loop::Timer timer(loop_);
  timer.arm(loop_.now() + patience_);
  const auto request = co_await read_get(loop_, client, timer);
  if (!request && request.error().facts().status == 0) co_return;
  Page page;
  bool with_body = true;
  if (!request) {
    page = {.status = "400 Bad Request",
            .body = std::string(request.error().facts().sentence) + "\n"};
  } else if (request->method != "GET" && request->method != "HEAD") {
    page = {.status = "405 Method Not Allowed", .body = "Only GET and HEAD are answered here.\n"};
  } else if (!is_our_name(request->host)) {
    page = {.status = "421 Misdirected Request", .body = "Ask for this listener by its address.\n"};
  } else {
    with_body = !request->head;
    page = co_await page_for(controls_, request->path);
  }
  const std::string bytes = response(page, with_body);
  if (co_await loop::write_all(loop_, client, bytes, timer) == 0) client.shutdown_write();
}

}  // namespace penstock::admin
