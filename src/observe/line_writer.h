// The writer behind a LineSink: empties every producer's ring into one file.
// Thread: run() is one thread's whole life; look_after(ring) the ring's producer; the rest any.
// Cost: a producer makes a system call only when the writer sleeps or its ring is half full. After
// work the writer naps instead of sleeping, so a busy proxy wakes it 100 times a second at most
// and each wake writes many lines at once.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/time.h"
#include "observe/counter.h"
#include "observe/line_file.h"
#include "observe/line_ring.h"
#include "observe/program_log.h"

namespace penstock::observe {

class LineWriter {
 public:
  // `name` is for messages, e.g. "access log stdout".
  LineWriter(std::string name, LineFile file);

  void run();
  // Writes out what is queued. False: the writer is stuck in the kernel after `patience`.
  bool stop(std::chrono::milliseconds patience);

  LineRing& add_ring(size_t capacity);  // lives as long as the writer
  // Takes effect before the next line is written; a line that was begun is written whole again.
  void replace(LineFile file);

  void look_after(const LineRing& ring) {
    const State state = state_.load(std::memory_order_seq_cst);
    if (state == State::kAwake) return;
    if (state == State::kAsleep || ring.fuller_than_half()) wake();
  }

  uint64_t dropped() const;
  uint64_t written() const { return written_.value(); }

 private:
  enum class State { kAwake, kNapping, kAsleep };
  enum class Outcome { kNothing, kWrote, kStuck, kFailed };

  void wake();
  // Waits for a wake(), or for `span` while napping.
  void nap(std::chrono::milliseconds span);
  void wait_for_work();
  // Waits before a failing file is tried again; new lines do not cut this short.
  void pause_after_failure();
  bool told_to_stop(Instant* deadline) const;

  void take_new_rings();
  void take_new_file();
  Outcome write_out();
  Outcome write_out(LineRing& ring);
  // Returns the bytes that the ring gave up.
  size_t account(LineRing& ring, const LineFile::Parts& parts, size_t bytes);
  void note_success();
  void note_failure(int error);
  void report_drops(Instant now);

  const std::string name_;
  std::atomic<State> state_{State::kAwake};
  Counter written_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<LineRing>> rings_;  // guarded by mutex_
  LineFile next_file_;                            // guarded by mutex_
  Instant stop_at_ = kNever;                      // guarded by mutex_
  bool finished_ = false;                         // guarded by mutex_

  // The writer thread's own.
  LineFile file_;
  std::vector<LineRing*> known_rings_;
  LineRing* torn_ring_ = nullptr;  // whose first line is partly written, and must go on first
  size_t torn_bytes_ = 0;
  int failing_ = 0;  // errno of the last write, 0 if it went well
  LimitedLog log_;
  uint64_t drops_reported_ = 0;
  Instant next_drop_report_{};
};

}  // namespace penstock::observe
