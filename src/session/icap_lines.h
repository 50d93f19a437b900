// Connections of one worker to services of ICAP, and what those have said of themselves. A line is
// had for one message at a time; between two it waits here, and one whose service says or ends
// something meanwhile is thrown away. Who finds as many lines in use as there may be waits for one.
// A service that mostly fails is left alone for a while (admission/breaker.h), so that a dead one
// does not cost each message its timeout.
//
// Each line holds a seat and a port like a connection. All that are idle go when the configuration
// does, with what is known of the services.
//
// Thread: the worker's.   Lifetime: the loop, the door and the worker's parts outlive it.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "admission/breaker.h"
#include "admission/door.h"
#include "dial/reach.h"
#include "icap/options.h"
#include "icap/service.h"
#include "loop/loop.h"
#include "loop/stream.h"
#include "loop/task.h"

namespace penstock::session {

class Worker;
struct Situation;

class IcapLines {
  // One service: what is known of it, and its idle lines.
  struct Desk;

  // The right to one message, and the duty to say how it went; without a word it says nothing of
  // the service.
  class Turn {
   public:
    Turn() = default;
    Turn(std::shared_ptr<Desk> desk, admission::Breaker::Pass pass);
    Turn(Turn&& other) noexcept { *this = std::move(other); }
    Turn& operator=(Turn&& other) noexcept {
      std::swap(desk_, other.desk_);
      std::swap(pass_, other.pass_);
      std::swap(told_, other.told_);
      return *this;
    }
    ~Turn();

    void succeeded(Instant now);
    void failed(Code why, Instant now);
    Desk& desk() const { return *desk_; }

   private:
    std::shared_ptr<Desk> desk_;
    admission::Breaker::Pass pass_{};
    bool told_ = false;
  };

 public:
  // A line goes on being idle for so long.
  static constexpr Duration kAge = std::chrono::seconds(60);
  static constexpr size_t kIdleMax = 64;  // of one service

  struct Line {
    Turn turn;
    admission::Seat seat;
    dial::Reached reached;
    bool reused = false;  // it has carried other messages

    loop::Stream& stream() { return reached.stream; }
    // As the service said last; they stand until the next wait.
    const icap::Options& options() const { return *turn.desk().options; }
  };

  IcapLines(Worker& worker, int workers) : worker_(worker), workers_(workers) {}
  IcapLines(const IcapLines&) = delete;
  IcapLines& operator=(const IcapLines&) = delete;
  ~IcapLines() { drop_all(); }

  // What the service says of itself; null: that is not known, or not any more, and open() asks it.
  const icap::Options* options(const icap::ServicePtr& service);
  // What the service has said is to be asked for again: it has changed.
  void forget_options(const icap::ServicePtr& service);

  // A line to `service`, whose options are known then. `fresh`: one that has carried nothing.
  // kIcapBusy: none came free; kIcapFailed, kIcapTimeout, kIcapAnswer: it is not to be had.
  loop::Task<Result<Line>> open(icap::ServicePtr service,
                                std::shared_ptr<const Situation> situation, bool fresh);
  // It owes nothing. Closed instead where there is no room.
  void keep(Line line);

  // Those that are idle go; what is known of services, too.
  void drop_all();
  // The idle ones, if seats or memory are short.
  void yield();

  size_t idle() const;

 private:
  struct Idle {
    Line line;
    loop::RootTask::promise_type* keeper = nullptr;
  };
  struct Desk {
    Desk(loop::Loop& loop, icap::ServicePtr what, const admission::BreakerSettings& settings,
         uint64_t seed)
        : service(std::move(what)), freed(loop), breaker_settings(settings), breaker(seed) {}
    icap::ServicePtr service;
    std::optional<icap::Options> options;
    Instant options_at{};
    Instant options_until{};
    uint64_t busy = 0;
    loop::Event freed;
    admission::BreakerSettings breaker_settings;
    admission::Breaker breaker;
    std::list<Idle> idle;
  };
  using Position = std::list<Idle>::iterator;

  std::shared_ptr<Desk> desk_of(const icap::ServicePtr& service);
  uint64_t lines_max(const Desk& desk) const;
  std::optional<Line> take_idle(Desk& desk);
  Line take_from_keeper(Desk& desk, Position idle);
  void close_idle(Desk& desk);
  loop::RootTask watch(std::shared_ptr<Desk> desk, Position idle);
  loop::Task<Result<dial::Reached>> dial(const icap::Service& service, const Situation& situation,
                                         Instant deadline);
  loop::Task<Result<bool>> ask_options(Desk& desk, loop::Stream& stream, Instant deadline);
  void complain(const icap::Service& service, std::string_view what);

  Worker& worker_;
  const int workers_;
  std::vector<std::shared_ptr<Desk>> desks_;
  loop::TaskSet keepers_;
};

}  // namespace penstock::session
