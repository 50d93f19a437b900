#include "plan/incident.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <unordered_map>
#include <utility>

#include "admission/door.h"
#include "base/check.h"
#include "plan/times.h"

namespace penstock::plan {
namespace {

using admission::Permit;

constexpr double kVariation = 0.3;            // of set-up times at one origin
constexpr uint8_t kClients = 50;              // that take turns in the queue
constexpr double kQuiet = 5;                  // seconds before anything counts as quiet
const Instant kBegin{std::chrono::hours(1)};  // a clock reads something

Duration span_of(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

double percentile_99(std::vector<double>& values) {
  if (values.empty()) return 0;
  const auto at = values.begin() + static_cast<ptrdiff_t>(values.size() * 99 / 100);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

// The share that was not refused.
double served(uint64_t asked, uint64_t refused) {
  return asked == 0 ? 1 : 1 - static_cast<double>(refused) / static_cast<double>(asked);
}

admission::DoorLimits limits_of(const Incident& incident, Bulkhead bulkhead) {
  admission::DoorLimits out;
  out.pending = incident.permits;
  out.queue = incident.permits;
  out.destination.most =
      bulkhead == Bulkhead::kNone ? 0 : std::max<uint64_t>(incident.permits / 4, 1);
  switch (bulkhead) {
    case Bulkhead::kNone:
    case Bulkhead::kFixed: out.destination.adapt = admission::Adapt::kOff; break;
    case Bulkhead::kAimd: out.destination.adapt = admission::Adapt::kAimd; break;
    case Bulkhead::kGradient: out.destination.adapt = admission::Adapt::kGradient; break;
  }
  return out;
}

class Player {
 public:
  Player(const Incident& incident, Bulkhead bulkhead)
      : incident_(incident),
        limits_(limits_of(incident, bulkhead)),
        door_(limits_),
        random_(incident.seed),
        gaps_(Times::exponential(1 / incident.rate)),
        shape_(Times::lognormal(1, kVariation)) {
    course_.bulkhead = bulkhead;
    waits_.resize(static_cast<size_t>(std::ceil(incident.ends)));
    course_.seconds.resize(waits_.size());
    for (uint64_t i = 0; i < incident.destinations; ++i) {
      targets_.push_back(*http::parse_authority(fmt::format("origin-{}.example:443", i)));
    }
  }

  Course run(const std::function<void(double)>& progress) {
    schedule(gaps_.draw(random_), Kind::kArrival, 0);
    schedule(1, Kind::kSecond, 0);
    while (!agenda_.empty() && agenda_.top().at < incident_.ends + incident_.ill_seconds) {
      const Event event = agenda_.top();
      agenda_.pop();
      now_ = event.at;
      happen(event);
      for (const uint64_t id : std::exchange(called_, {})) decide(id);
      if (event.kind == Kind::kSecond && progress) progress(std::min(now_ / incident_.ends, 1.0));
    }
    summarise();
    set_ups_.clear();
    return std::move(course_);
  }

 private:
  enum class Kind : uint8_t { kArrival, kPatienceOver, kConnected, kSecond };
  struct Event {
    double at;
    uint64_t number;  // of the order in which they were thought of, for those at one time
    Kind kind;
    uint64_t id;
    bool operator>(const Event& other) const {
      return std::pair(at, number) > std::pair(other.at, other.number);
    }
  };
  struct SetUp {
    explicit SetUp(admission::Door& door) : permit(door) {}
    Permit permit;
    uint64_t destination = 0;
    double asked = 0;
    double began = 0;
  };

  Instant clock() const { return kBegin + span_of(now_); }
  bool is_ill(uint64_t destination) const { return destination < incident_.ill; }
  Second& second(double at) {
    return course_.seconds[std::min(static_cast<size_t>(at), course_.seconds.size() - 1)];
  }
  void schedule(double at, Kind kind, uint64_t id) { agenda_.push({at, ++events_, kind, id}); }

  void happen(const Event& event) {
    switch (event.kind) {
      case Kind::kArrival: arrive(); break;
      case Kind::kPatienceOver:
        if (const auto found = set_ups_.find(event.id); found != set_ups_.end()) {
          found->second.permit.give_up(clock());
        }
        break;
      case Kind::kConnected: connect(event.id); break;
      case Kind::kSecond: look(); break;
    }
  }

  void arrive() {
    if (now_ >= incident_.ends) return;
    schedule(now_ + gaps_.draw(random_), Kind::kArrival, 0);
    const uint64_t id = ++ids_;
    SetUp& set_up = set_ups_.try_emplace(id, door_).first->second;
    set_up.destination = random_.below(incident_.destinations);
    set_up.asked = now_;
    ++(is_ill(set_up.destination) ? second(now_).ill_asked : second(now_).well_asked);
    const auto client =
        IpAddress::from_v4(127, 0, 1, static_cast<uint8_t>(1 + random_.below(kClients)));
    set_up.permit.ask(targets_[set_up.destination], client, clock());
    if (set_up.permit.call_me([this, id] { called_.push_back(id); })) {
      schedule(now_ + std::chrono::duration<double>(limits_.waiting.patience).count(),
               Kind::kPatienceOver, id);
    } else {
      decide(id);
    }
  }

  // The door has said yes or no.
  void decide(uint64_t id) {
    SetUp& set_up = set_ups_.at(id);
    if (set_up.permit.state() == Permit::State::kRefused) {
      ++(is_ill(set_up.destination) ? second(set_up.asked).ill_refused
                                    : second(set_up.asked).well_refused);
      if (now_ > incident_.heals) last_refusal_ = now_;
      set_ups_.erase(id);
      return;
    }
    set_up.began = now_;
    schedule(answered_at(set_up.destination), Kind::kConnected, id);
  }

  double answered_at(uint64_t destination) {
    const double shape = shape_.draw(random_);
    const double well = shape * incident_.setup_seconds;
    const bool ill = is_ill(destination) && now_ >= incident_.begins && now_ < incident_.heals;
    if (!ill) return now_ + well;
    return std::min(now_ + shape * incident_.ill_seconds, incident_.heals + well);
  }

  void connect(uint64_t id) {
    SetUp& set_up = set_ups_.at(id);
    if (!is_ill(set_up.destination)) {
      waits_[std::min(static_cast<size_t>(set_up.asked), waits_.size() - 1)].push_back(
          now_ - set_up.asked);
    }
    set_up.permit.settle(span_of(now_ - set_up.began), std::nullopt, clock());
    set_ups_.erase(id);
  }

  // At the end of each second.
  void look() {
    if (now_ < incident_.ends) schedule(now_ + 1, Kind::kSecond, 0);
    Second& ended = second(now_ - 0.5);
    ended.pending = door_.pending();
    for (const auto& at : door_.destinations(clock(), targets_.size())) {
      const auto found = std::ranges::find(targets_, at.authority, &http::Authority::text);
      if (!is_ill(static_cast<uint64_t>(found - targets_.begin()))) continue;
      ended.ill_pending += at.pending;
      ended.ill_limit += static_cast<double>(at.limit) / static_cast<double>(incident_.ill);
    }
    course_.ill_pending_most = std::max(course_.ill_pending_most, ended.ill_pending);
  }

  void summarise() {
    Second sum;  // of the seconds of illness
    std::vector<double> quiet, during;
    for (size_t i = 0; i < waits_.size(); ++i) {
      const auto at = static_cast<double>(i);
      Second& one = course_.seconds[i];
      if (at >= kQuiet && at < incident_.begins) {
        quiet.insert(quiet.end(), waits_[i].begin(), waits_[i].end());
      } else if (at >= incident_.begins && at < incident_.heals) {
        during.insert(during.end(), waits_[i].begin(), waits_[i].end());
        sum.well_asked += one.well_asked;
        sum.well_refused += one.well_refused;
        sum.ill_asked += one.ill_asked;
        sum.ill_refused += one.ill_refused;
      }
      one.well_p99 = percentile_99(waits_[i]);
    }
    course_.quiet_p99 = percentile_99(quiet);
    course_.incident_p99 = percentile_99(during);
    course_.well_success = served(sum.well_asked, sum.well_refused);
    course_.ill_success = served(sum.ill_asked, sum.ill_refused);
    course_.recovery_seconds = std::max(0.0, last_refusal_ - incident_.heals);
  }

  const Incident incident_;
  const admission::DoorLimits limits_;
  admission::Door door_;
  Random random_;
  Times gaps_, shape_;
  std::vector<http::Authority> targets_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> agenda_;
  std::unordered_map<uint64_t, SetUp> set_ups_;  // its nodes stay where they are
  std::vector<uint64_t> called_;
  std::vector<std::vector<double>> waits_;  // by second, at origins that stay well
  Course course_{};
  double now_ = 0;
  double last_refusal_ = 0;
  uint64_t ids_ = 0, events_ = 0;
};

}  // namespace

std::string_view word(Bulkhead bulkhead) {
  switch (bulkhead) {
    case Bulkhead::kNone: return "none";
    case Bulkhead::kFixed: return "fixed";
    case Bulkhead::kAimd: return "aimd";
    case Bulkhead::kGradient: return "gradient";
  }
  PENSTOCK_CHECK(false);
}

Course play(const Incident& incident, Bulkhead bulkhead,
            const std::function<void(double)>& progress) {
  PENSTOCK_CHECK(incident.ill <= incident.destinations);
  return Player(incident, bulkhead).run(progress);
}

}  // namespace penstock::plan
