// One direction of a tunnel: bytes from one stream to another, copied while they are few and
// spliced through a pipe once they flow. Holds back at most one buffer or one pipe of bytes, and
// reads nothing more until those are delivered: that is the whole of back-pressure.
// Thread: the worker's.   Lifetime: shorter than its streams and its Relay.
// Cost: no allocation per read; while idle it owns no pipe and no buffer, only itself (64 bytes).
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
  Instant last{};   // when the last of them did, or the flow began: what silence is counted from

  uint64_t total() const { return copied + spliced; }
};

class Flow {
 public:
  enum class State : uint8_t {
    kBusy,     // used up its share of this turn; more can move at once
    kBlocked,  // waits for its source to be readable or its sink to be writable
    kPaced,    // waits for a bandwidth cap: see resume_at()
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
  // `bandwidth`: bytes per second for this flow alone; 0: no cap of its own. `charges`: what it
  // shares with others. A capped flow goes on splicing.
  void cap(uint64_t bandwidth, const admission::Charges& charges = {});

  // Moves what can be moved now, within a fair share of the turn.
  State pump(Instant now);
  State state() const { return state_; }
  int error() const { return error_; }  // errno of kReadFailed and kWriteFailed
  bool ended() const { return source_ended_; }
  loop::Loop& loop() const { return from_->source().loop(); }
  loop::Stream& source() const { return *from_; }
  loop::Stream& sink() const { return *to_; }
  // When the source ends, the sink is not told: the stream was cut, and an orderly end would pass
  // it off as whole.
  void withhold_end() { withheld_ = true; }
  bool withheld() const { return withheld_; }
  // When the source ends, the sink will be closed at once, and that tells it.
  void close_follows() { close_follows_ = true; }
  // The sink was told of the end before it had ended the other direction: its socket will go
  // through TIME_WAIT on our side.
  void note_ended_first() { ended_first_ = true; }
  bool ended_first() const { return ended_first_; }
  const Carried& carried() const { return *carried_; }

  // Both flows of a tunnel share their two streams, so what to watch is asked per stream.
  uint8_t interest_in_source() const;  // kReadable or 0, on `from`
  uint8_t interest_in_sink() const;    // kWritable or 0, on `to`
  // When to pump even if no stream is ready: the cap allows more, or the low-water mark has
  // held bytes back for long enough. kNever otherwise.
  Instant resume_at() const;

  // What it holds back now; 0 while idle.
  size_t held_bytes() const;

 private:
  // What the sink did not accept of the last read.
  struct Rest {
    std::vector<uint8_t> bytes;
    size_t at = 0;
  };
  // What only a stream that flows needs; it is given up when the stream is a conversation again.
  struct Splicing {
    Pipe pipe;          // only while bytes move through it
    Instant dry_since;  // when the source last had no more
    uint32_t in_pipe = 0;
    uint32_t run = 0;        // bytes since then
    uint16_t fast_kib = 0;   // moved in a row at a rate worth a low-water mark
    bool low_water = false;  // SO_RCVLOWAT is raised on from_
    bool short_of = false;   // the last read brought less than it could: more is to gather first
  };

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
  long fill_pipe(size_t most);  // as splice(2) answers
  size_t blocked();
  State failed(State state, int error);
  State finish();

  void start_splicing(Instant now);
  void stop_splicing(int16_t fills);
  bool low_water() const { return splicing_ && splicing_->low_water; }
  void hold(std::vector<uint8_t> rest);
  bool take_pipe();
  void let_go();
  void run_dry(Instant now);
  void set_low_water(bool raised);

  Relay* relay_;
  loop::Stream* from_;
  loop::Stream* to_;
  Carried* carried_;
  std::unique_ptr<Pace> pace_;  // only a flow that is capped or counted has one
  std::unique_ptr<Rest> rest_;
  std::unique_ptr<Splicing> splicing_;
  int16_t fills_ = 0;  // copying: full buffers in a row; below zero: splice is no use yet
  uint16_t error_ = 0;
  State state_ = State::kBlocked;
  bool source_ended_ : 1 = false;
  bool withheld_ : 1 = false;
  bool close_follows_ : 1 = false;
  bool ended_first_ : 1 = false;
};
static_assert(sizeof(Flow) <= 64);

}  // namespace penstock::tunnel
