#include "cli/capacity.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "http/answer.h"
#include "loop/stream.h"
#include "sys/socket.h"

namespace penstock::cli {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr Duration kPatience = 5s;
constexpr size_t kPageMax = size_t{16} << 20;

std::optional<double> number(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  const double value = found->get<double>();
  if (!std::isfinite(value) || value < 0) return std::nullopt;
  return value;
}

std::optional<uint64_t> count(const json& object, const char* name) {
  const auto value = number(object, name);
  constexpr double kExact = 0x1p53;
  if (!value || *value > kExact) return std::nullopt;
  return static_cast<uint64_t>(*value);
}

struct Page {
  std::string body;
  std::string fault;  // empty: the body is whole
};

std::string fault_of(int error) {
  return std::strerror(error);  // NOLINT(concurrency-mt-unsafe): one thread
}

// Connects, asks, reads until the end.
loop::Task<Page> converse(loop::Loop& loop, Endpoint admin) {
  loop::Timer timer(loop);
  timer.arm(loop.now() + kPatience);
  auto fd = sys::start_connect(admin, {});
  if (!fd) co_return Page{{}, fault_of(fd.error())};
  loop::Stream stream(loop, std::move(*fd));
  while (!stream.source().ready(loop::kWritable)) {
    if (timer.expired()) co_return Page{{}, "no answer to the connection"};
    co_await loop::Wait(loop).on(stream.source(), loop::kWritable).until(timer);
  }
  if (const int error = sys::pending_error(stream.fd())) co_return Page{{}, fault_of(error)};
  const std::string request =
      fmt::format("GET /capacity HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", admin.text());
  const int unsent = co_await loop::write_all(loop, stream, request, timer);
  if (unsent != 0) co_return Page{{}, fault_of(unsent)};
  std::string received;
  std::vector<uint8_t> buffer(65536);
  for (;;) {
    const loop::Moved moved = stream.read(buffer);
    if (moved.end()) break;
    if (moved.failed()) co_return Page{{}, fault_of(moved.error())};
    if (moved.would_block()) {
      const bool more = co_await loop::readable(loop, stream, timer);
      if (!more) co_return Page{{}, "no answer in time"};
      continue;
    }
    received.append(buffer.begin(), buffer.begin() + moved.count);
    if (received.size() > kPageMax) co_return Page{{}, "an answer without end"};
  }
  http::AnswerReader reader;
  const auto complete = reader.advance(received);
  if (!complete) co_return Page{{}, std::string(http::sentence(complete.error()))};
  if (!*complete) co_return Page{{}, "an answer that breaks off"};
  const http::Answer answer = reader.answer(received);
  if (answer.status != 200) {
    co_return Page{
        {}, fmt::format("{} for /capacity; is it penstock's admin listener?", answer.status)};
  }
  co_return Page{received.substr(answer.length), {}};
}

loop::RootTask fetch(loop::Loop& loop, Endpoint admin, Page* out) {
  *out = co_await converse(loop, admin);
}

}  // namespace

std::expected<Capacity, std::string> read_capacity(std::string_view text) {
  const json page = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!page.is_object()) return std::unexpected("the answer is no JSON object");
  Capacity out;
  out.window_seconds = number(page, "window_seconds");
  out.lambda = number(page, "lambda");
  out.setup_seconds = number(page, "setup_seconds");
  out.pending_mean = number(page, "pending_mean");
  out.tunnel_seconds = number(page, "tunnel_seconds");
  out.bytes_per_second = number(page, "bytes_per_second");
  out.utilisation = number(page, "utilisation");
  out.cpu_per_connect_seconds = number(page, "cpu_per_connect_seconds");
  out.p_wait = number(page, "p_wait");
  out.workers = count(page, "workers");
  if (const auto limits = page.find("limits"); limits != page.end() && limits->is_object()) {
    out.seats = count(*limits, "seats");
    out.pending = count(*limits, "pending");
    out.descriptors = count(*limits, "descriptors");
    out.memory_bytes = count(*limits, "memory_bytes");
    out.ephemeral_ports = count(*limits, "ephemeral_ports");
  }
  if (const auto list = page.find("destinations"); list != page.end() && list->is_array()) {
    out.destinations = list->size();
  }
  return out;
}

std::expected<Capacity, std::string> fetch_capacity(const Endpoint& admin) {
  loop::Loop loop;
  Page page;
  {
    loop::TaskSet tasks;
    tasks.start(fetch(loop, admin, &page));
    while (!tasks.empty()) loop.turn(true);
  }
  if (page.fault.empty()) {
    auto capacity = read_capacity(page.body);
    if (capacity) return capacity;
    page.fault = capacity.error();
  }
  return std::unexpected(fmt::format("{}: {}", admin.text(), page.fault));
}

}  // namespace penstock::cli
