// How fast a flow may go, and what it owes for going: a bandwidth of its own, a bandwidth that it
// shares with the other tunnels of an account, and the account's count of bytes.
//
// Sharing is standing in line. A flow that has something to move charges a quantum to the shared
// debt, and the stretch of time that it gets lies behind those of all who came before. When its
// turn comes it moves at most that quantum, gets back what it did not use, and stands in line
// again. So everyone who has something to move moves one quantum per round, on whichever worker it
// is. Thread: the worker's; what is shared is atomic.   Lifetime: shorter than the account.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "admission/charges.h"
#include "admission/gcra.h"
#include "base/time.h"

namespace penstock::tunnel {

class Pace {
 public:
  // What may go at once after a silence: 50 ms worth, and enough for a TLS record at least.
  static constexpr Duration kBurst = std::chrono::milliseconds(50);
  static constexpr uint64_t kLeastBurstBytes = 16 * 1024;
  // What a flow moves in a turn: 10 ms worth, so that ten that share wait 100 ms for each other.
  static constexpr Duration kTurn = std::chrono::milliseconds(10);
  static constexpr size_t kTurnBytesMax = 1 << 20;
  // Bytes are told to the account when there are so many, after so long, or at the end.
  static constexpr uint64_t kUncountedMax = 64 * 1024;
  static constexpr Duration kUncountedFor = std::chrono::seconds(1);

  // `bandwidth`: of this flow alone, in bytes per second; 0: no cap of its own.
  explicit Pace(uint64_t bandwidth, const admission::Charges& charges = {});
  Pace(const Pace&) = delete;
  Pace& operator=(const Pace&) = delete;
  ~Pace();

  // Bytes that may move at `now`, of `wanted`. Whoever asks stands in line from then on, until it
  // spends.
  size_t allowance(Instant now, size_t wanted);
  // What did move, be it nothing; what more was allowed is given back.
  void spend(Instant now, size_t bytes);
  // When to ask again, once nothing was allowed. Its own cap opens with half a burst: a few large
  // moves cost less than many small ones.
  Instant resume_at() const;

 private:
  struct Own {
    admission::Gcra rule;
    Instant paid_at{};
  };
  struct Turn {
    admission::SharedDebt& debt;
    admission::Gcra rule;
    size_t quantum;
    size_t granted = 0;  // charged, and not yet moved
    Instant at{};        // when it may
  };
  struct Count {
    std::atomic<uint64_t>& bytes;
    uint64_t uncounted = 0;
    Instant since{};
  };

  void settle_turn(Instant now, size_t bytes);
  void count(Instant now, size_t bytes);

  std::optional<Own> own_;
  std::optional<Turn> turn_;
  std::optional<Count> count_;
};

}  // namespace penstock::tunnel
