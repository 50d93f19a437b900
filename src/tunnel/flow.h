// One direction of a tunnel: bytes from one stream to another, copied while they are few and
// spliced through a pipe once they flow. Holds back at most one buffer or one pipe of bytes, and
// reads nothing more until those are delivered: that is the whole of back-pressure.
// Thread: the worker's.   Lifetime: shorter than its streams and its Relay.
// Cost: no allocation per read; while idle it owns no pipe and no buffer, only itself (96 bytes).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/time.h"
#include "loop/loop.h"
#include "loop/stream.h"
#include "tunnel/pace.h"
#include "tunnel/relay.h"

namespace penstock::tunnel {

// Bytes that reached the other side, by path. Written by the worker only.
struct Carried {
  uint64_t copied = 0;
  uint64_t spliced = 0;
  Instant first{};  // when the first of them did; the epoch: none has

  uint64_t total() const { return copied + spliced; }
};

class Flow {
 public:
  enum class State : uint8_t {
    kBusy,     // used up its share of this turn; more can move at once
    kBlocked,  // waits for its source to be readable or its sink to be writable
    kPaced,    // waits for its bandwidth cap: see resume_at()
    kDone,     // the source ended, everything was delivered and the end was passed on
    kReadFailed,
    kWriteFailed,
  };

  // A fair share of a turn: one full pipe, or as many small reads.
  static constexpr size_t kShareBytes = PipePool::kPipeBytes;
  static constexpr int kShareRounds = 16;

  Flow(Relay& relay, loop::Stream& from, loop::Stream& to, Carried& carried);
  Flow(const Flow&) = delete;
  Flow& operator=(const Flow&) = delete;
  ~Flow();

  // Bytes to deliver before anything that is read: what the client sent behind its request.
  void deliver_first(std::vector<uint8_t> bytes);
  // Bytes per second; 0: no cap. A capped flow goes on splicing.
  void cap(uint64_t bandwidth);

  // Moves what can be moved now, within a fair share of the turn.
  State pump(Instant now);
  State state() const { return state_; }
  int error() const { return error_; }  // errno of kReadFailed and kWriteFailed
  bool ended() const { return source_ended_; }
  loop::Stream& source() const { return *from_; }
  loop::Stream& sink() const { return *to_; }
  // When the source ends, the sink is not told: the stream was cut, and an orderly end would pass
  // it off as whole.
  void withhold_end() { withheld_ = true; }
  bool withheld() const { return withheld_; }
  const Carried& carried() const { return *carried_; }

  // Both flows of a tunnel share their two streams, so what to watch is asked per stream.
  uint8_t interest_in_source() const;  // kReadable or 0, on `from`
  uint8_t interest_in_sink() const;    // kWritable or 0, on `to`
  // When to pump even if no stream is ready: the cap allows more, or the low-water mark has
  // held bytes back for long enough. kNever otherwise.
  Instant resume_at() const;

  // What it holds back now; 0 while idle.
  size_t held_bytes() const { return (rest_size_ - rest_at_) + in_pipe_; }

 private:
  bool may_read() const;
  bool may_write() const;
  State move(Instant now);
  bool deliver();  // false: not all that was held could go; state_ says why
  bool deliver_rest();
  bool deliver_pipe();
  // Bytes that came; 0: the source ended, or state_ says why none came.
  size_t receive(Instant now, size_t allowed);
  size_t copy_in(Instant now, size_t allowed);
  size_t splice_in(Instant now, size_t allowed);
  size_t blocked();
  State failed(State state, int error);
  State finish();

  void start_splicing(Instant now);
  void stop_splicing(int16_t fills);
  bool take_pipe();
  void let_go();
  void run_dry(Instant now);
  void set_low_water(bool raised);

  Relay* relay_;
  loop::Stream* from_;
  loop::Stream* to_;
  Carried* carried_;
  std::unique_ptr<Pace> pace_;       // only a capped flow has one
  std::unique_ptr<uint8_t[]> rest_;  // what the sink did not accept of the last read
  Pipe pipe_;                        // only while bytes move through it
  Instant dry_since_{};              // splicing: when the source last had no more
  uint32_t rest_size_ = 0;
  uint32_t rest_at_ = 0;
  uint32_t in_pipe_ = 0;
  uint32_t run_ = 0;       // splicing: bytes since then
  int16_t fills_ = 0;      // copying: full buffers in a row; below zero: splice is no use yet
  uint16_t fast_kib_ = 0;  // splicing: moved in a row at a rate worth a low-water mark
  uint16_t error_ = 0;
  State state_ = State::kBlocked;
  bool splicing_ : 1 = false;
  bool low_water_ : 1 = false;  // SO_RCVLOWAT is raised on from_
  bool look_ : 1 = false;       // read although nothing was reported: the mark held it back
  bool source_ended_ : 1 = false;
  bool withheld_ : 1 = false;
};
static_assert(sizeof(Flow) <= 96);

}  // namespace penstock::tunnel
