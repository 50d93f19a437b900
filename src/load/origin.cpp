#include "load/origin.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <thread>

#include "load/origin_visit.h"
#include "loop/loop.h"
#include "loop/task.h"
#include "sys/fd.h"
#include "sys/socket.h"

namespace penstock::load {
namespace {

struct NamedBehaviour {
  std::string_view word;
  Behaviour behaviour;
};
constexpr NamedBehaviour kBehaviours[] = {
    {"any", Behaviour::kAny},     {"echo", Behaviour::kEcho}, {"source", Behaviour::kSource},
    {"sink", Behaviour::kSink},   {"slow", Behaviour::kSlow}, {"silent", Behaviour::kSilent},
    {"reset", Behaviour::kReset},
};

// When accept() fails for want of descriptors or memory: those who wait in the backlog may go on
// waiting until somebody has left.
constexpr Duration kPauseAfterRefusal = std::chrono::milliseconds(20);
constexpr int kAcceptsInARow = 64;

struct Open {
  sys::Fd fd;
  Behaviour behaviour;
};

// One thread of an origin: its listeners, and everybody who came.
class Server {
 public:
  Server(std::vector<Open> listeners, const TlsContext* tls)
      : listeners_(std::move(listeners)), house_{loop_, tls, std::vector<uint8_t>(kVisitBuffer)} {}
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Its thread; everything that it makes is gone when it returns.
  void run() {
    for (Open& open : listeners_) tasks_.start(accept(std::move(open)));
    loop_.run();
    tasks_.end_all();
    visits_.end_all();
  }
  void stop() {  // any thread
    loop_.mailbox().post([this] { loop_.stop(); });
  }

 private:
  loop::RootTask accept(Open open) {
    loop::Source source(loop_, open.fd.get(), loop::Source::Trigger::kEdge, loop::kReadable);
    for (int in_a_row = 0;;) {
      auto accepted = sys::accept_connection(open.fd.get());
      if (accepted) {
        Wire wire(loop::Stream(loop_, std::move(accepted->fd)));
        visits_.start(receive(house_, std::move(wire), open.behaviour));
        if (++in_a_row % kAcceptsInARow == 0) co_await loop::Wait(loop_).soon();
      } else if (accepted.error() == EAGAIN) {
        source.clear(loop::kReadable);
        co_await loop::Wait(loop_).on(source, loop::kReadable);
      } else if (accepted.error() != ECONNABORTED) {
        co_await loop::SleepUntil(loop_, loop_.now() + kPauseAfterRefusal);
      }
    }
  }

  std::vector<Open> listeners_;
  loop::Loop loop_;
  House house_;
  loop::TaskSet tasks_;
  loop::TaskSet visits_;
};

std::string cannot_listen(const Endpoint& at, int error) {
  return fmt::format("cannot listen on {}: {}", at.text(), std::strerror(error));
}

std::expected<Open, std::string> listen(const OriginListener& listener, const Endpoint& at,
                                        bool share_port) {
  auto fd = sys::open_listener(at, {.share_port = share_port});
  if (!fd) return std::unexpected(cannot_listen(at, fd.error()));
  sys::set_no_delay(fd->get());  // who is accepted inherits it
  return Open{std::move(*fd), listener.behaviour};
}

// What each thread listens with. Threads share a port by SO_REUSEPORT, which would let a second
// origin join in unnoticed and take half of the connections, so a plain bind is tried first.
std::expected<std::vector<std::vector<Open>>, std::string> listen_for_all(
    const OriginOptions& options, std::vector<Endpoint>* addresses) {
  std::vector<std::vector<Open>> out(static_cast<size_t>(std::max(options.threads, 1)));
  const bool share_port = out.size() > 1;
  for (const OriginListener& listener : options.listeners) {
    Endpoint at = listener.address;
    if (share_port && at.port != 0) {
      const auto probe = sys::open_listener(at, {});
      if (!probe) return std::unexpected(cannot_listen(at, probe.error()));
    }
    for (std::vector<Open>& of_thread : out) {
      auto open = listen(listener, at, share_port);
      if (!open) return std::unexpected(open.error());
      // Port 0 has become a port, which the other threads share.
      at = sys::local_endpoint(open->fd.get()).value_or(at);
      of_thread.push_back(std::move(*open));
    }
    addresses->push_back(at);
  }
  return out;
}

}  // namespace

std::optional<Behaviour> behaviour_of(std::string_view word) {
  for (const auto& [name, behaviour] : kBehaviours) {
    if (name == word) return behaviour;
  }
  return std::nullopt;
}

std::expected<void, std::string> run_origin(
    const OriginOptions& options, const std::stop_token& stop,
    const std::function<void(const std::vector<Endpoint>&)>& ready) {
  std::optional<TlsContext> tls;
  if (options.tls) tls = TlsContext::server();
  std::vector<Endpoint> addresses;
  auto listeners = listen_for_all(options, &addresses);
  if (!listeners) return std::unexpected(listeners.error());
  std::vector<std::unique_ptr<Server>> servers;
  for (std::vector<Open>& of_thread : *listeners) {
    servers.push_back(std::make_unique<Server>(std::move(of_thread), tls ? &*tls : nullptr));
  }
  std::vector<std::thread> threads;
  for (size_t i = 1; i < servers.size(); ++i) {
    threads.emplace_back([&server = *servers[i]] { server.run(); });
  }
  ready(addresses);
  const std::stop_callback on_stop(stop, [&servers] {
    for (const auto& server : servers) server->stop();
  });
  servers.front()->run();
  for (std::thread& thread : threads) thread.join();
  return {};
}

}  // namespace penstock::load
