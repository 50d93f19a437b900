#include "trace/run.h"

#include <csignal>
#include <cstring>
#include <memory>
#include <optional>

#include "admin/serve.h"
#include "base/check.h"
#include "base/wall_time.h"
#include "loop/loop.h"
#include "loop/task.h"
#include "sys/process.h"
#include "sys/socket.h"
#include "trace/choose.h"
#include "trace/processes.h"
#include "trace/report.h"

namespace penstock::trace {
namespace {

std::string utc_now() {
  std::string out;
  append_utc(out, std::chrono::system_clock::now());
  return out;
}

// A run of `penstock trace`: one loop, one thread, which also answers Prometheus.
class Run final : private admin::Controls {
 public:
  Run(const Options& options, const Outlets& outlets, std::unique_ptr<bpf::Source> source)
      : options_(options),
        outlets_(outlets),
        source_(std::move(source)),
        signals_(sys::signal_descriptor({SIGTERM, SIGINT})),
        signal_source_(loop_, signals_.get(), loop::Source::Trigger::kEdge, loop::kReadable),
        overflows_before_(listen_overflows(options.wanted.pid)) {}

  void go(sys::Fd prometheus) {
    if (prometheus) {
      pages_.emplace(loop_, static_cast<admin::Controls&>(*this), std::move(prometheus));
    }
    began_ = last_ = Clock::now();
    before_ = read();
    tasks_.start(report_at_intervals());
    tasks_.start(end_on_signal());
    loop_.run();
    pages_.reset();
    tasks_.end_all();
    const bpf::Readings all = read();
    report("total", Clock::now() - began_, all);
    if (outlets_.plot) outlets_.plot(picture(*source_, all));
  }

 private:
  bool draining() const override { return false; }
  loop::Task<admin::Snapshot> snapshot() override { co_return admin::Snapshot{}; }
  loop::Task<std::string> metrics() override { co_return prometheus(read()); }

  bpf::Readings read() {
    bpf::Readings out = source_->read();
    const uint64_t now = listen_overflows(options_.wanted.pid);
    out.listen_overflows = now > overflows_before_ ? now - overflows_before_ : 0;
    return out;
  }

  void report(std::string_view name, Duration length, const bpf::Readings& readings) {
    const Span span{.name = name, .ended = utc_now(), .length = length};
    const bool read = outlets_.report(
        (options_.json ? json(span, *source_, readings) : text(span, *source_, readings)) + "\n");
    if (!read) loop_.stop();
  }

  loop::RootTask report_at_intervals() {
    const Instant end = deadline_after(began_, options_.duration);
    for (Instant next = began_ + options_.interval; next < end; next += options_.interval) {
      co_await loop::SleepUntil(loop_, next);
      const bpf::Readings now = read();
      const Instant at = Clock::now();
      report("interval", at - last_, now.since(before_));
      before_ = now;
      last_ = at;
    }
    co_await loop::SleepUntil(loop_, end);
    loop_.stop();
  }

  loop::RootTask end_on_signal() {
    while (sys::next_signal(signals_.get()) == 0) {
      signal_source_.clear(loop::kReadable);
      co_await loop::Wait(loop_).on(signal_source_, loop::kReadable);
    }
    loop_.stop();
  }

  const Options& options_;
  const Outlets& outlets_;
  std::unique_ptr<bpf::Source> source_;
  loop::Loop loop_;
  sys::Fd signals_;
  loop::Source signal_source_;
  const uint64_t overflows_before_;
  Instant began_{};
  Instant last_{};
  bpf::Readings before_;
  std::optional<admin::AdminServer> pages_;
  loop::TaskSet tasks_;
};

}  // namespace

bool run(const Options& options, const Outlets& outlets) {
  sys::Fd prometheus;
  if (options.prometheus) {
    auto listener = sys::open_listener(*options.prometheus, {});
    if (!listener) {
      outlets.say("--prometheus: cannot listen on " + options.prometheus->text() + ": " +
                  std::strerror(listener.error()));
      return false;
    }
    prometheus = std::move(*listener);
  }
  auto choice = choose(options);
  if (!choice) {
    outlets.say(choice.error());
    return false;
  }
  for (const std::string& why : choice->refusals) outlets.say(why);
  outlets.say("tracing by " + choice->source->what());
  if (prometheus) {
    if (const auto at = sys::local_endpoint(prometheus.get())) {
      outlets.say("metrics on http://" + at->text() + "/metrics");
    }
  }
  Run(options, outlets, std::move(choice->source)).go(std::move(prometheus));
  return true;
}

}  // namespace penstock::trace
