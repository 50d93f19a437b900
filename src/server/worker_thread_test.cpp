#include "server/worker_thread.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>

#include "admin/metrics_page.h"
#include "server/sockets.h"
#include "sys/socket.h"

namespace penstock::server {
namespace {

size_t open_descriptors() {
  using Files = std::filesystem::directory_iterator;
  return static_cast<size_t>(std::distance(Files("/proc/self/fd"), Files()));
}

// What the epoll instances of this process watch. A closed descriptor stays in the list for as long
// as a duplicate of it is open.
size_t watched_descriptors() {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
    std::ifstream facts(entry.path());
    for (std::string line; std::getline(facts, line);) count += line.starts_with("tfd:") ? 1 : 0;
  }
  return count;
}

class CountedLog final : public observe::LineSink::Producer {
 public:
  explicit CountedLog(std::atomic<int>& lines) : lines_(lines) {}
  bool write(std::string_view) override { return ++lines_ > 0; }

 private:
  std::atomic<int>& lines_;
};

session::SituationPtr situation(std::string_view rule) {
  auto config = config::parse("listeners: [{address: 127.0.0.1:0}]\npolicy: {rules: [{name: lab, " +
                                  std::string(rule) + "}]}\n",
                              "test.yaml");
  EXPECT_TRUE(config) << (config ? "" : config::describe(config.error(), "test.yaml"));
  return std::make_shared<const session::Situation>(config ? *config : config::defaults(),
                                                    policy::Surroundings{});
}
session::SituationPtr open_to_loopback() {
  return situation(R"(allow: ["127.0.0.1:1-65535"], addresses: [127.0.0.0/8])");
}
session::SituationPtr closed() {
  return situation(R"(allow: ["a.test:443"])");
}

class Threads : public testing::Test {
 protected:
  std::vector<std::unique_ptr<WorkerThread>> start(int count, std::vector<sys::Fd> inherited = {}) {
    config::Config config;
    config.listeners.emplace_back().address = *Endpoint::parse("127.0.0.1:0");
    auto sockets = open_sockets(config, static_cast<uint64_t>(count), std::move(inherited)).value();
    at_ = sockets.listeners[0];
    std::vector<std::unique_ptr<WorkerThread>> out;
    for (int i = 0; i < count; ++i) {
      session::Worker::Parts parts{.number = i,
                                   .epoch = 1,
                                   .door = &door_,
                                   .quotas = &quotas_,
                                   .ports = &ports_,
                                   .routes = &routes_,
                                   .log = std::make_unique<CountedLog>(lines_),
                                   .situation = open_to_loopback(),
                                   .pipes_max = 4};
      out.push_back(std::make_unique<WorkerThread>(
          std::move(parts), std::move(sockets.per_worker[static_cast<size_t>(i)])));
    }
    return out;
  }
  static void expect_clean(WorkerThread& worker) {
    const auto left = worker.stop();
    EXPECT_EQ(left.connections, 0);
    EXPECT_EQ(left.frames, 0);
  }
  // Waits for bytes or an end; what recv then says.
  static ssize_t receive(const sys::Fd& fd, std::string& into) {
    pollfd readable{fd.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&readable, 1, 20'000), 1) << "waited in vain";
    char buffer[4096];
    const ssize_t n = ::recv(fd.get(), buffer, sizeof(buffer), 0);
    if (n > 0) into.append(buffer, static_cast<size_t>(n));
    return n;
  }
  sys::Fd ask(const Endpoint& target) {
    auto client = sys::start_connect(at_, {}).value();
    const std::string head =
        "CONNECT " + target.text() + " HTTP/1.1\r\nHost: " + target.text() + "\r\n\r\n";
    EXPECT_EQ(::send(client.get(), head.data(), head.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(head.size()));
    return client;
  }

  Endpoint at_;
  std::atomic<int> lines_{0};
  admission::Door door_{{.seats = 1000, .pending = 1000}};
  admission::Quotas quotas_;
  admission::Ports ports_{PortRoom{}};
  admission::Routes routes_{{}, 1};
};

TEST_F(Threads, StartAndStopWithoutTrace) {
  const size_t before = open_descriptors();
  {
    auto workers = start(2);
    EXPECT_NE(workers[0]->metrics(), nullptr);
    EXPECT_NE(workers[0]->metrics(), workers[1]->metrics());
    for (auto& worker : workers) expect_clean(*worker);
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(Threads, StopWhenTheyAreDestroyed) {
  const size_t before = open_descriptors();
  start(1).clear();
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(Threads, OpenLettersInOrderOnTheirOwnThread) {
  auto workers = start(1);
  std::promise<void> done;
  std::vector<int> order;
  std::thread::id reader;
  workers[0]->post([&](session::Worker&) { order.push_back(1); });
  workers[0]->post([&](session::Worker&) {
    order.push_back(2);
    reader = std::this_thread::get_id();
    done.set_value();
  });
  done.get_future().wait();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
  EXPECT_NE(reader, std::this_thread::get_id());
  expect_clean(*workers[0]);
}

TEST_F(Threads, RefuseNewClientsOnceTheyStopAcceptingAndKeepTheirTunnels) {
  const auto origin = sys::open_listener(*Endpoint::parse("127.0.0.1:0"), {}).value();
  auto workers = start(1);
  const sys::Fd client = ask(sys::local_endpoint(origin.get()).value());
  std::string heard;
  receive(client, heard);
  EXPECT_TRUE(heard.starts_with("HTTP/1.1 200 ")) << heard;
  workers[0]->stop_accepting();
  std::promise<size_t> live;
  workers[0]->post([&](session::Worker& worker) { live.set_value(worker.live()); });
  EXPECT_EQ(live.get_future().get(), 1u);
  const auto late = sys::start_connect(at_, {});
  if (late) {
    pollfd decided{late->get(), POLLOUT, 0};
    ASSERT_EQ(::poll(&decided, 1, 20'000), 1);
    EXPECT_EQ(sys::pending_error(late->get()), ECONNREFUSED);
  }
  expect_clean(*workers[0]);
  EXPECT_EQ(lines_, 1);
  EXPECT_EQ(door_.seats_taken(), 0u);
}

// One socket from the service manager serves all workers: while one of them has it open, the kernel
// reports each new client to every epoll that was not told to stop.
TEST_F(Threads, ForgetAListenerThatOthersStillHoldOpen) {
  std::vector<sys::Fd> inherited;
  inherited.push_back(sys::open_listener(*Endpoint::parse("127.0.0.1:0"), {}).value());
  auto workers = start(2, std::move(inherited));
  const size_t watched = watched_descriptors();
  workers[0]->stop_accepting();
  std::promise<void> stopped;
  workers[0]->post([&](session::Worker&) { stopped.set_value(); });
  stopped.get_future().wait();
  EXPECT_EQ(watched_descriptors(), watched - 1);
  for (auto& worker : workers) expect_clean(*worker);
}

TEST_F(Threads, TakeInWhoeverWaitsInTheQueueBeforeTheyStopAccepting) {
  const auto origin = sys::open_listener(*Endpoint::parse("127.0.0.1:0"), {}).value();
  auto workers = start(1);
  std::promise<void> held, free;
  workers[0]->post([&](session::Worker&) {
    held.set_value();
    free.get_future().wait();
  });
  held.get_future().wait();
  std::vector<sys::Fd> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(ask(sys::local_endpoint(origin.get()).value()));
  workers[0]->stop_accepting();
  free.set_value();
  for (const sys::Fd& client : clients) {
    std::string heard;
    receive(client, heard);
    EXPECT_TRUE(heard.starts_with("HTTP/1.1 200 ")) << heard;
  }
  expect_clean(*workers[0]);
}

// Stops between any two steps of a connection's life, whichever the scheduler chooses.
TEST_F(Threads, StopWhileConnectionsAreBeingSetUp) {
  const auto origin = sys::open_listener(*Endpoint::parse("127.0.0.1:0"), {}).value();
  const Endpoint target = sys::local_endpoint(origin.get()).value();
  const size_t before = open_descriptors();
  for (int round = 0; round < 5; ++round) {
    auto workers = start(2);
    std::vector<sys::Fd> clients;
    for (int i = 0; i < 20; ++i) clients.push_back(ask(target));
    for (auto& worker : workers) expect_clean(*worker);
    EXPECT_EQ(door_.seats_taken(), 0u);
    EXPECT_EQ(door_.pending(), 0u);
    while (sys::accept_connection(origin.get())) {
    }
  }
  EXPECT_EQ(open_descriptors(), before);
}

// What is shared: the configuration, the door, the counters. Here all of it is used at once.
TEST_F(Threads, ServeWhileLettersArriveAndOthersRead) {
  const auto origin = sys::open_listener(*Endpoint::parse("127.0.0.1:0"), {}).value();
  const Endpoint target = sys::local_endpoint(origin.get()).value();
  auto workers = start(2);
  const auto open = open_to_loopback(), shut = closed();
  std::atomic<bool> over{false};
  std::thread reader([&] {
    while (!over) {
      admin::Snapshot snapshot;
      for (const auto& worker : workers) {
        snapshot.workers.push_back({worker->metrics(), worker->usage().turns, 0, 0});
      }
      snapshot.seats_taken = door_.seats_taken();
      EXPECT_FALSE(admin::metrics_page(snapshot).empty());
      std::this_thread::yield();
    }
  });
  std::thread writer([&] {
    for (int i = 0; !over; ++i) {
      std::promise<void> opened;
      auto last = opened.get_future();
      for (auto& worker : workers) {
        worker->post([this, next = i % 2 ? open : shut](session::Worker& w) {
          w.adopt(next);
          w.refresh_metrics();
          ports_.counts(w.loop().now());
          w.tend_tunnels();
        });
      }
      workers.back()->post([&](session::Worker&) { opened.set_value(); });
      last.wait();
    }
  });
  constexpr int kConnections = 200;
  for (int i = 0; i < kConnections; ++i) {
    const sys::Fd client = ask(target);
    std::string heard;
    // The policy of that moment decides: a tunnel, a refusal, or a reset right after the 200.
    receive(client, heard);
    if (!heard.empty()) EXPECT_TRUE(heard.starts_with("HTTP/1.1 ")) << heard;
    while (sys::accept_connection(origin.get())) {
    }
  }
  over = true;
  writer.join();
  reader.join();
  for (auto& worker : workers) expect_clean(*worker);
  EXPECT_EQ(lines_, kConnections) << "one line for each, whichever way it ended";
  EXPECT_EQ(door_.seats_taken(), 0u);
  EXPECT_EQ(door_.pending(), 0u);
}

}  // namespace
}  // namespace penstock::server
