#include "observe/line_writer.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace penstock::observe {
namespace {

using namespace std::chrono_literals;

constexpr auto kNap = 10ms;       // how late a line may be while the proxy is busy
constexpr auto kPatience = 50ms;  // with a full pipe, before looking for a stop
constexpr auto kRetry = 1s;       // of a file that fails
constexpr auto kDropReportEvery = 10s;

LineFile::Parts without_prefix(const LineFile::Parts& parts, size_t bytes) {
  if (bytes >= parts[0].size()) return {parts[1].substr(bytes - parts[0].size()), {}};
  return {parts[0].substr(bytes), parts[1]};
}

}  // namespace

LineWriter::LineWriter(std::string name, LineFile file)
    : name_(std::move(name)), file_(std::move(file)) {}

LineRing& LineWriter::add_ring(size_t capacity) {
  const std::scoped_lock lock(mutex_);
  return *rings_.emplace_back(std::make_unique<LineRing>(capacity));
}

void LineWriter::replace(LineFile file) {
  const std::scoped_lock lock(mutex_);
  next_file_ = std::move(file);
  state_.store(State::kAwake, std::memory_order_seq_cst);
  changed_.notify_all();
}

bool LineWriter::stop(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  // The writer gives up a little earlier than we do, so that it can still be joined.
  stop_at_ = Clock::now() + patience * 4 / 5;
  state_.store(State::kAwake, std::memory_order_seq_cst);
  changed_.notify_all();
  return changed_.wait_for(lock, patience, [this] { return finished_; });
}

uint64_t LineWriter::dropped() const {
  const std::scoped_lock lock(mutex_);
  uint64_t sum = 0;
  for (const auto& ring : rings_) sum += ring->dropped();
  return sum;
}

void LineWriter::wake() {
  const std::scoped_lock lock(mutex_);
  state_.store(State::kAwake, std::memory_order_seq_cst);
  changed_.notify_all();
}

void LineWriter::nap(std::chrono::milliseconds span) {
  std::unique_lock lock(mutex_);
  if (stop_at_ != kNever || next_file_) return;
  state_.store(State::kNapping, std::memory_order_seq_cst);
  changed_.wait_for(lock, span, [this] { return state_.load() == State::kAwake; });
  state_.store(State::kAwake, std::memory_order_seq_cst);
}

void LineWriter::wait_for_work() {
  std::unique_lock lock(mutex_);
  if (stop_at_ != kNever || next_file_) return;
  state_.store(State::kAsleep, std::memory_order_seq_cst);
  // A line that was pushed before its producer could see kAsleep is seen here: both sides store
  // first and look afterwards, in one total order.
  const bool nothing = std::ranges::all_of(rings_, [](const auto& ring) { return ring->empty(); });
  if (nothing) changed_.wait(lock, [this] { return state_.load() == State::kAwake; });
  state_.store(State::kAwake, std::memory_order_seq_cst);
}

void LineWriter::pause_after_failure() {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kRetry, [this] { return stop_at_ != kNever || next_file_; });
}

bool LineWriter::told_to_stop(Instant* deadline) const {
  const std::scoped_lock lock(mutex_);
  *deadline = stop_at_;
  return stop_at_ != kNever;
}

void LineWriter::run() {
  for (;;) {
    Instant deadline;
    const bool stopping = told_to_stop(&deadline);
    const Outcome outcome = write_out();
    const Instant now = Clock::now();
    report_drops(now);
    if (stopping) {
      if (outcome == Outcome::kNothing || outcome == Outcome::kFailed || now >= deadline) break;
    } else if (outcome == Outcome::kFailed) {
      pause_after_failure();
    } else if (outcome == Outcome::kWrote) {
      nap(kNap);  // under steady load nobody ever has to wake the writer
    } else if (outcome == Outcome::kNothing) {
      wait_for_work();
    }
  }
  // Closed even if a producer still holds on to the writer: readers of a pipe wait for that.
  file_ = LineFile();
  const std::scoped_lock lock(mutex_);
  finished_ = true;
  changed_.notify_all();
}

void LineWriter::take_new_rings() {
  const std::scoped_lock lock(mutex_);
  for (size_t i = known_rings_.size(); i < rings_.size(); ++i) {
    known_rings_.push_back(rings_[i].get());
  }
}

void LineWriter::take_new_file() {
  const std::scoped_lock lock(mutex_);
  if (!next_file_) return;
  file_ = std::exchange(next_file_, LineFile());
  // What the old file has of a line stays there; the new one gets it whole.
  torn_ring_ = nullptr;
  torn_bytes_ = 0;
}

LineWriter::Outcome LineWriter::write_out() {
  take_new_rings();
  Outcome result = Outcome::kNothing;
  if (torn_ring_) {
    result = write_out(*torn_ring_);
    if (result != Outcome::kWrote) return result;
  }
  for (LineRing* ring : known_rings_) {
    const Outcome outcome = write_out(*ring);
    if (outcome == Outcome::kStuck || outcome == Outcome::kFailed) return outcome;
    if (outcome == Outcome::kWrote) result = outcome;
  }
  return result;
}

// One pass over what is there now: a producer that never stops must not starve the others.
LineWriter::Outcome LineWriter::write_out(LineRing& ring) {
  const auto [head, tail] = ring.unread();
  const size_t pass = head.size() + tail.size();
  if (pass == 0) return Outcome::kNothing;
  for (size_t consumed = 0; consumed < pass;) {
    const LineFile::Parts parts = ring.unread();
    // After the look into the ring: a line pushed after reopen() returned is in the new file.
    take_new_file();
    const long answer = file_.write(without_prefix(parts, torn_bytes_), kPatience);
    if (answer < 0) {
      note_failure(static_cast<int>(-answer));
      return Outcome::kFailed;
    }
    Instant deadline;
    if (answer == 0 || (told_to_stop(&deadline) && Clock::now() >= deadline)) {
      account(ring, parts, static_cast<size_t>(answer));
      return Outcome::kStuck;
    }
    if (failing_ != 0) note_success();
    consumed += account(ring, parts, static_cast<size_t>(answer));
  }
  return Outcome::kWrote;
}

// `bytes` more of `parts` are in the file. The ring gives up whole lines only, so that a line can
// be written again from its start if the file is replaced meanwhile.
size_t LineWriter::account(LineRing& ring, const LineFile::Parts& parts, size_t bytes) {
  const size_t position = torn_bytes_ + bytes;
  const std::string_view first = parts[0].substr(0, position);
  const std::string_view second = parts[1].substr(0, position - first.size());
  size_t whole = 0;
  if (const size_t end = second.rfind('\n'); end != second.npos) {
    whole = first.size() + end + 1;
  } else if (const size_t last = first.rfind('\n'); last != first.npos) {
    whole = last + 1;
  }
  const auto lines = std::ranges::count(first, '\n') + std::ranges::count(second, '\n');
  torn_bytes_ = position - whole;
  torn_ring_ = torn_bytes_ > 0 ? &ring : nullptr;
  ring.consume(whole);
  written_.add(static_cast<uint64_t>(lines));
  return whole;
}

void LineWriter::note_failure(int error) {
  if (error == failing_) return;
  failing_ = error;
  log_.say(Level::kError, name_ + ": cannot write: " + std::strerror(error) +
                              "; lines wait in memory and are dropped when it is full; make room "
                              "or rotate the log");
}

void LineWriter::note_success() {
  failing_ = 0;
  log_.say(Level::kInfo, name_ + ": lines are written again");
}

void LineWriter::report_drops(Instant now) {
  const uint64_t all = dropped();
  if (all == drops_reported_ || now < next_drop_report_) return;
  log_.say(Level::kWarning, name_ + ": " + std::to_string(all - drops_reported_) +
                                " lines were dropped, its destination does not keep up");
  drops_reported_ = all;
  next_drop_report_ = now + kDropReportEvery;
}

}  // namespace penstock::observe
