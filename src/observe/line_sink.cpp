#include "observe/line_sink.h"

#include <csignal>
#include <thread>
#include <utility>

#include "observe/line_writer.h"
#include "observe/program_log.h"

namespace penstock::observe {
namespace {

class Off final : public LineSink {
 public:
  std::unique_ptr<Producer> make_producer() override { return std::make_unique<Nowhere>(); }
  bool reopen() override { return true; }
  uint64_t dropped() const override { return 0; }
  uint64_t written() const override { return 0; }

 private:
  struct Nowhere final : Producer {
    bool write(std::string_view) override { return true; }
  };
};

class Threaded final : public LineSink {
 public:
  Threaded(std::string where, LineFile file)
      : where_(std::move(where)),
        writer_(std::make_shared<LineWriter>("access log " + where_, std::move(file))) {
    // No signal may be delivered to the writer: SIGTERM belongs to the main thread, and SIGPIPE
    // or SIGXFSZ from a write would end the program where an error would do.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([writer = writer_] { writer->run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  ~Threaded() override {
    // A write can hang for ever in the kernel (a dead NFS server, ^S on a terminal). Such a
    // thread is left behind with its own share of the writer; ending must not wait for it.
    if (writer_->stop(std::chrono::seconds(1))) {
      thread_.join();
    } else {
      thread_.detach();
    }
  }

  std::unique_ptr<Producer> make_producer() override {
    return std::make_unique<RingProducer>(writer_, writer_->add_ring(kRingBytes));
  }

  bool reopen() override {
    if (where_ == "stdout" || where_ == "stderr") return true;
    std::string why_not;
    LineFile file = LineFile::open(where_, &why_not);
    if (!file) {
      say(Level::kError, why_not + "; the old file stays in use");
      return false;
    }
    writer_->replace(std::move(file));
    return true;
  }

  uint64_t dropped() const override { return writer_->dropped(); }
  uint64_t written() const override { return writer_->written(); }

 private:
  // Room for about 2000 lines: a fifth of a second at 10000 connections a second per worker.
  static constexpr size_t kRingBytes = size_t{1} << 20;

  class RingProducer final : public Producer {
   public:
    RingProducer(std::shared_ptr<LineWriter> writer, LineRing& ring)
        : writer_(std::move(writer)), ring_(ring) {}
    bool write(std::string_view line) override {
      const bool taken = ring_.push(line);
      writer_->look_after(ring_);
      return taken;
    }

   private:
    const std::shared_ptr<LineWriter> writer_;
    LineRing& ring_;
  };

  const std::string where_;
  const std::shared_ptr<LineWriter> writer_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<LineSink> LineSink::open(const std::string& where, std::string* why_not) {
  if (where == "off") return std::make_unique<Off>();
  LineFile file = LineFile::open(where, why_not);
  if (!file) return nullptr;
  return std::make_unique<Threaded>(where, std::move(file));
}

}  // namespace penstock::observe
