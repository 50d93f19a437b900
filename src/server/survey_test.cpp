#include "server/survey.h"

#include <gtest/gtest.h>

#include <future>

#include "loop/frame.h"

namespace penstock::server {
namespace {

using namespace std::chrono_literals;

class NoLog final : public observe::LineSink::Producer {
 public:
  bool write(std::string_view) override { return true; }
};

class Survey : public testing::Test {
 protected:
  void SetUp() override {
    const auto situation =
        std::make_shared<const session::Situation>(config::defaults(), policy::Surroundings{});
    for (int number = 0; number < 3; ++number) {
      session::Worker::Parts parts{.number = number,
                                   .door = &door_,
                                   .quotas = &quotas_,
                                   .ports = &ports_,
                                   .routes = &routes_,
                                   .log = std::make_unique<NoLog>(),
                                   .situation = situation,
                                   .pipes_max = 2};
      workers_.push_back(
          std::make_unique<WorkerThread>(std::move(parts), std::vector<ListenSocket>()));
    }
  }
  void TearDown() override {
    tasks_.end_all();
    for (auto& worker : workers_) worker->stop();
    EXPECT_EQ(loop::live_frames(), 0);
  }

  loop::RootTask ask(Duration patience) {
    const auto question = [](session::Worker& worker) { return worker.number() * 10; };
    answers_ = co_await survey(loop_, workers_, patience, question);
    loop_.stop();
  }

  admission::Door door_{admission::DoorLimits{}};
  admission::Quotas quotas_;
  admission::Ports ports_{PortRoom{}};
  admission::Routes routes_{{}, 1};
  WorkerThreads workers_;
  loop::Loop loop_;
  loop::TaskSet tasks_;
  std::vector<std::optional<int>> answers_;
};

TEST_F(Survey, BringsTheAnswersInTheOrderOfTheWorkers) {
  tasks_.start(ask(20s));
  loop_.run();
  EXPECT_EQ(answers_, (std::vector<std::optional<int>>{0, 10, 20}));
}

TEST_F(Survey, GoesOnWithoutAWorkerThatIsStuckAndSurvivesItsLateAnswer) {
  std::promise<void> let_go;
  workers_[1]->post([held = let_go.get_future().share()](session::Worker&) { held.wait(); });
  // The others are at work before the clock runs, however busy the machine is.
  for (const size_t other : {0, 2}) {
    std::promise<void> at_work;
    workers_[other]->post([&at_work](session::Worker&) { at_work.set_value(); });
    at_work.get_future().wait();
  }
  tasks_.start(ask(1s));
  loop_.run();
  EXPECT_EQ(answers_, (std::vector<std::optional<int>>{0, std::nullopt, 20}));
  let_go.set_value();
  std::promise<void> answered;
  workers_[1]->post([&answered](session::Worker&) { answered.set_value(); });
  answered.get_future().wait();
  loop_.turn(false);
}

}  // namespace
}  // namespace penstock::server
