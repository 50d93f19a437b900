#include "tunnel/flow.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "sys/calls.h"
#include "sys/socket.h"

namespace penstock::tunnel {
namespace {

// Full buffers in a row after which a stream is taken to flow.
constexpr int16_t kFillsToSplice = 2;
// How many more it copies before it asks again for a pipe that it did not get (1 MiB): each
// refusal costs six system calls.
constexpr int16_t kFillsAfterRefusal = -14;
// There is more between the streams than two sockets, or splice(2) said that it does not know them.
constexpr int16_t kFillsNever = INT16_MIN;
// A read that a cap cut shorter than this says nothing about the stream.
constexpr size_t kFillBytes = 16 * 1024;
// A spliced stream that brings less than this between two silences is a conversation again.
constexpr uint32_t kShortRun = 16 * 1024;

// SO_RCVLOWAT lets the kernel collect bytes instead of waking us for each segment, and would hold
// back the end of an answer for ever. So it is raised only for a stream that has moved kEarnKib
// without a pause, at a rate that fills the mark within kLowWaterWait, and kLowWaterWait after a
// silence began it is lowered and what is there is read.
constexpr int kLowWaterBytes = 256 * 1024;
constexpr Duration kLowWaterWait = std::chrono::milliseconds(2);
constexpr uint16_t kEarnKib = 16 * 1024;

}  // namespace

Flow::Flow(Relay& relay, loop::Stream& from, loop::Stream& to, Carried& carried)
    : relay_(&relay), from_(&from), to_(&to), carried_(&carried) {
  carried_->last = loop().now();
  if (!from.spliceable() || !to.spliceable()) fills_ = kFillsNever;
}

Flow::~Flow() {
  let_go();
}

void Flow::deliver_first(std::vector<uint8_t> bytes) {
  PENSTOCK_CHECK(held_bytes() == 0 && !source_ended_);
  if (pace_) pace_->spend(loop().now(), bytes.size());
  if (!bytes.empty()) hold(std::move(bytes));
}

void Flow::cap(uint64_t bandwidth, const admission::Charges& charges) {
  pace_ = bandwidth == 0 && !charges ? nullptr : std::make_unique<Pace>(bandwidth, charges);
}

size_t Flow::held_bytes() const {
  return (rest_ ? rest_->bytes.size() - rest_->at : 0) + (splicing_ ? splicing_->in_pipe : 0);
}

void Flow::hold(std::vector<uint8_t> rest) {
  rest_ = std::make_unique<Rest>(std::move(rest));
}

bool Flow::may_read() const {
  return from_->source().ready(loop::kReadable);
}
bool Flow::may_write() const {
  return to_->source().ready(loop::kWritable);
}

uint8_t Flow::interest_in_source() const {
  const bool wanted =
      state_ == State::kBlocked && held_bytes() == 0 && !source_ended_ && !may_read();
  return wanted ? loop::kReadable : 0;
}

uint8_t Flow::interest_in_sink() const {
  // Nothing is read that could not be passed on at once, so what the source has waits with it.
  const bool wanted =
      state_ == State::kBlocked && (held_bytes() > 0 || source_ended_ || may_read());
  return wanted ? loop::kWritable : 0;
}

Instant Flow::resume_at() const {
  if (state_ == State::kPaced) return pace_->resume_at();
  if (state_ == State::kBlocked && low_water() && !may_read() && held_bytes() == 0) {
    return splicing_->dry_since + kLowWaterWait;
  }
  return kNever;
}

Flow::State Flow::pump(Instant now) {
  const uint64_t before = carried_->total();
  const State state = move(now);
  if (carried_->total() == before) return state;
  carried_->last = now;
  if (carried_->first == Instant{}) carried_->first = now;
  return state;
}

Flow::State Flow::move(Instant now) {
  if (state_ >= State::kDone) return state_;
  if (state_ == State::kPaced && now < pace_->resume_at()) return state_;
  if (low_water() && !may_read() && held_bytes() == 0 &&
      now >= splicing_->dry_since + kLowWaterWait) {
    set_low_water(false);
    from_->source().suppose(loop::kReadable);
  }
  size_t share = kShareBytes;
  for (int round = 0;; ++round) {
    if (!deliver()) return state_;
    if (source_ended_) return finish();
    if (share == 0 || round == kShareRounds) return state_ = State::kBusy;
    // A flow that could not move a byte must not stand in line for the right to.
    const bool asks = pace_ && may_read() && may_write();
    const size_t allowed = asks ? pace_->allowance(now, share) : share;
    if (allowed == 0) {
      let_go();
      return state_ = State::kPaced;
    }
    const size_t came = receive(now, allowed);
    if (pace_) pace_->spend(now, came);
    if (came == 0 && !source_ended_) return state_;
    share -= came;
  }
}

bool Flow::deliver() {
  if (rest_) return deliver_rest();
  if (splicing_ && splicing_->in_pipe > 0) return deliver_pipe();
  return true;
}

bool Flow::deliver_rest() {
  if (!may_write()) return blocked() > 0;
  const loop::Moved moved = to_->write(std::span(rest_->bytes).subspan(rest_->at));
  if (moved.failed()) {
    failed(State::kWriteFailed, moved.error());
    return false;
  }
  if (moved.bytes()) {
    carried_->copied += static_cast<uint64_t>(moved.count);
    rest_->at += static_cast<size_t>(moved.count);
  }
  if (rest_->at < rest_->bytes.size()) return blocked() > 0;
  rest_.reset();
  return true;
}

bool Flow::deliver_pipe() {
  uint32_t& in_pipe = splicing_->in_pipe;
  while (in_pipe > 0) {
    if (!may_write()) return blocked() > 0;
    // Never SPLICE_F_MORE: all that is held goes in one call, and nobody knows whether the source
    // has more. The flag would hold the last segment back for 200 ms.
    const long moved =
        sys::calls::splice(splicing_->pipe.read_end.get(), to_->fd(), in_pipe, false);
    if (moved > 0) {
      carried_->spliced += static_cast<uint64_t>(moved);
      if (loop::Transport* const kernel = to_->transport()) {
        kernel->note_spliced(static_cast<size_t>(moved));
      }
      in_pipe -= static_cast<uint32_t>(moved);
    } else if (moved == -EAGAIN) {
      to_->source().clear(loop::kWritable);
    } else {
      failed(State::kWriteFailed, moved == 0 ? EPIPE : static_cast<int>(-moved));
      return false;
    }
  }
  return true;
}

size_t Flow::blocked() {
  state_ = State::kBlocked;
  return 0;
}

size_t Flow::receive(Instant now, size_t allowed) {
  if (!may_read() || !may_write()) {
    let_go();
    return blocked();
  }
  if (splicing_ && std::exchange(splicing_->short_of, false)) {
    run_dry(now);
    from_->source().await_more();
    return blocked();
  }
  return splicing_ ? splice_in(now, allowed) : copy_in(now, allowed);
}

size_t Flow::copy_in(Instant now, size_t allowed) {
  const size_t wanted = std::min(allowed, Relay::kBufferBytes);
  const std::span<uint8_t> buffer = relay_->buffer().first(wanted);
  const loop::Moved got = from_->read(buffer);
  if (got.would_block()) return blocked();
  if (got.end()) {
    source_ended_ = true;
    return 0;
  }
  if (got.failed()) {
    failed(State::kReadFailed, got.error());
    return 0;
  }
  const auto count = static_cast<size_t>(got.count);
  if (count < wanted) {
    fills_ = std::min<int16_t>(fills_, 0);
  } else if (count >= kFillBytes && fills_ != kFillsNever) {
    ++fills_;
    if (fills_ >= kFillsToSplice) start_splicing(now);
  }

  const loop::Moved sent = to_->write(buffer.first(count));
  if (sent.failed()) {
    failed(State::kWriteFailed, sent.error());
    return 0;
  }
  const size_t accepted = sent.bytes() ? static_cast<size_t>(sent.count) : 0;
  carried_->copied += accepted;
  if (accepted < count) {
    const auto rest = buffer.subspan(accepted, count - accepted);
    hold({rest.begin(), rest.end()});
  }
  return count;
}

size_t Flow::splice_in(Instant now, size_t allowed) {
  if (!take_pipe()) {
    stop_splicing(kFillsAfterRefusal);
    return copy_in(now, allowed);
  }
  // The pipe is empty here, so EAGAIN speaks of the source and not of a full pipe.
  const size_t most = std::min(allowed, splicing_->pipe.capacity);
  const long got = fill_pipe(most);
  if (got > 0) {
    // Reading on would fetch crumbs, each of which wakes the other side.
    splicing_->short_of = low_water() && std::cmp_less(got, most);
    splicing_->in_pipe = static_cast<uint32_t>(got);
    splicing_->run += std::min(splicing_->in_pipe, UINT32_MAX - splicing_->run);
    return splicing_->in_pipe;
  }
  // splice(2) stops in front of an urgent byte as if nothing were there, or, once the FIN has
  // come, as if the stream ended there. recv(2) knows better, and steps over it.
  const bool doubtful = got == 0 || from_->source().ready(loop::kHangup);
  if (got == -EAGAIN && !doubtful) {
    from_->source().clear(loop::kReadable);
    run_dry(now);
    return blocked();
  }
  if (got == 0 || got == -EAGAIN || got == -EINVAL) {
    // EINVAL of TLS: a record that is no data, which the transport understands.
    stop_splicing(got == -EINVAL && !from_->transport() ? kFillsNever : 0);
    return copy_in(now, allowed);
  }
  failed(State::kReadFailed, static_cast<int>(-got));
  return 0;
}

// Of TLS a call brings one record, and to pass each on by itself costs a tenth more. What is
// said in front of an end is said again, but that of a reset.
long Flow::fill_pipe(size_t most) {
  const bool by_record = from_->transport() && !from_->source().ready(loop::kHangup);
  long filled = 0;
  do {
    const long got = sys::calls::splice(from_->fd(), splicing_->pipe.write_end.get(),
                                        most - static_cast<size_t>(filled), false);
    if (got <= 0) return filled > 0 ? filled : got;
    filled += got;
  } while (by_record && std::cmp_less(filled, most));
  return filled;
}

void Flow::start_splicing(Instant now) {
  splicing_ = std::make_unique<Splicing>();
  splicing_->dry_since = now;
}

void Flow::stop_splicing(int16_t fills) {
  let_go();
  set_low_water(false);
  splicing_.reset();
  fills_ = fills;
}

bool Flow::take_pipe() {
  if (splicing_->pipe.read_end) return true;
  auto pipe = relay_->pipes().take();
  if (!pipe) return false;
  splicing_->pipe = std::move(*pipe);
  return true;
}

void Flow::let_go() {
  rest_.reset();
  if (!splicing_ || !splicing_->pipe.read_end) return;
  Pipe pipe = std::exchange(splicing_->pipe, Pipe{});
  if (std::exchange(splicing_->in_pipe, 0) == 0) {
    relay_->pipes().give_back(std::move(pipe));
  } else {
    relay_->pipes().dropped();  // somebody's bytes are in it
  }
}

// The pipe goes back at each silence, and a flow that is warm takes one at its next byte: both
// cost a vector's push and pop, so there is nothing to be gained from holding on to it.
void Flow::run_dry(Instant now) {
  let_go();
  const uint32_t run = std::exchange(splicing_->run, 0);
  const Duration took = now - std::exchange(splicing_->dry_since, now);
  if (run < kShortRun) return stop_splicing(0);
  const bool fast = took <= kLowWaterWait * (run / kShortRun) / (kLowWaterBytes / kShortRun);
  uint16_t& kib = splicing_->fast_kib;
  kib = fast ? static_cast<uint16_t>(std::min<uint32_t>(kib + run / 1024, UINT16_MAX)) : 0;
  // TLS is read by records, and whether one is whole is not for a number of bytes to say.
  set_low_water(kib >= kEarnKib && !from_->transport());
}

void Flow::set_low_water(bool raised) {
  if (low_water() == raised) return;
  splicing_->low_water = raised;
  if (!raised) splicing_->fast_kib = 0;
  sys::set_receive_low_water(from_->fd(), raised ? kLowWaterBytes : 1);
}

Flow::State Flow::failed(State state, int error) {
  let_go();
  error_ = static_cast<uint16_t>(error);
  return state_ = state;
}

Flow::State Flow::finish() {
  let_go();
  // The close of a socket says FIN; what stands in front of one has to say its own end.
  const bool says_end = !withheld_ && (!close_follows_ || to_->transport());
  if (says_end && !to_->shutdown_write()) {
    state_ = State::kBlocked;
    return state_;
  }
  return state_ = State::kDone;
}

}  // namespace penstock::tunnel
