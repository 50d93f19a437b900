// What the tests of this layer stand on: a Worker on a loop in the test's own thread, clients and
// origins on loopback that are plain sockets, a name server that answers when it is told to, and
// the log lines as JSON.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dns/scripted_messages.h"
#include "loop/frame.h"
#include "session/worker.h"
#include "sys/socket.h"

namespace penstock::session {

using namespace std::chrono_literals;
using Lines = std::vector<nlohmann::json>;

class CapturedLog final : public observe::LineSink::Producer {
 public:
  explicit CapturedLog(Lines& lines) : lines_(lines) {}
  bool write(std::string_view line) override {
    lines_.push_back(nlohmann::json::parse(line));
    return true;
  }

 private:
  Lines& lines_;
};

inline size_t open_descriptors() {
  using Files = std::filesystem::directory_iterator;
  return static_cast<size_t>(std::distance(Files("/proc/self/fd"), Files()));
}

// A client or an origin: one end of a connection, outside of the proxy.
class Peer {
 public:
  explicit Peer(sys::Fd fd) : fd_(std::move(fd)) {}

  void say(std::string_view bytes) {
    const auto size = static_cast<ssize_t>(bytes.size());
    EXPECT_EQ(::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), size);
  }
  // Reads what has arrived.
  void listen() {
    char buffer[65536];
    while (fd_ && !ended_ && error_ == 0) {
      const ssize_t n = ::recv(fd_.get(), buffer, sizeof(buffer), 0);
      if (n > 0) heard_.append(buffer, static_cast<size_t>(n));
      if (n == 0) ended_ = true;
      if (n < 0 && errno == EAGAIN) return;
      if (n < 0) error_ = errno;
    }
  }
  std::string take() { return std::exchange(heard_, {}); }
  const std::string& heard() const { return heard_; }
  bool got_end() const { return ended_; }
  bool got_reset() const { return error_ == ECONNRESET; }
  bool over() const { return ended_ || error_ != 0; }
  int fd() const { return fd_.get(); }

  void end() { ::shutdown(fd_.get(), SHUT_WR); }
  void close() { fd_.reset(); }
  void reset() {
    sys::reset_on_close(fd_.get());
    fd_.reset();
  }

 private:
  sys::Fd fd_;
  std::string heard_;
  bool ended_ = false;
  int error_ = 0;
};

// A listener outside of the proxy.
class Origin {
 public:
  explicit Origin(int backlog = 16)
      : fd_(sys::open_listener(*Endpoint::parse("127.0.0.1:0"), {.backlog = backlog}).value()) {}

  Endpoint at() const { return sys::local_endpoint(fd_.get()).value(); }
  std::string port() const { return std::to_string(at().port); }
  std::optional<Peer> accept() const {
    auto accepted = sys::accept_connection(fd_.get());
    if (!accepted) return std::nullopt;
    return Peer(std::move(accepted->fd));
  }

 private:
  sys::Fd fd_;
};

// Where SYNs are dropped: a backlog of zero holds one connection, and this one is taken.
class SilentOrigin {
 public:
  SilentOrigin() : filler_(sys::start_connect(origin_.at(), {}).value()) {}
  std::string authority() const { return origin_.at().text(); }

 private:
  Origin origin_{0};
  sys::Fd filler_;
};

// A name server that says nothing until it is told to.
class NameServer {
 public:
  NameServer() : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // SAFETY: the socket interface takes any address as a sockaddr.
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&any), sizeof(any)), 0);
  }
  Endpoint at() const { return sys::local_endpoint(fd_.get()).value(); }

  bool asked() const {
    char byte;
    return ::recv(fd_.get(), &byte, 1, MSG_PEEK) >= 0;
  }
  // Answers what was asked by now: 127.0.0.1, and no IPv6 address.
  void answer() {
    uint8_t query[512];
    sockaddr_in from{};
    for (;;) {
      socklen_t length = sizeof(from);
      auto* asker = reinterpret_cast<sockaddr*>(&from);
      const ssize_t n = ::recvfrom(fd_.get(), query, sizeof(query), 0, asker, &length);
      if (n < 0) return;
      const dns::Message reply = reply_to({query, static_cast<size_t>(n)});
      ::sendto(fd_.get(), reply.data(), reply.size(), 0, asker, length);
    }
  }

 private:
  static dns::Message reply_to(std::span<const uint8_t> query) {
    std::string name;
    size_t at = 12;
    for (; query[at] != 0; at += 1u + query[at]) {
      if (!name.empty()) name += '.';
      name.append(query.begin() + static_cast<ptrdiff_t>(at) + 1,
                  query.begin() + static_cast<ptrdiff_t>(at) + 1 + query[at]);
    }
    const auto type = static_cast<dns::RecordType>(query[at + 1] << 8 | query[at + 2]);
    const auto id = static_cast<uint16_t>(query[0] << 8 | query[1]);
    dns::scripted::Writer writer(id, name, type);
    if (type == dns::RecordType::kA) writer.address(name, "127.0.0.1", 60);
    return writer.done();
  }

  sys::Fd fd_;
};

// A TLS record with a ClientHello: `sni` empty leaves the extension out.
inline std::string client_hello(std::string_view sni, bool ech = false) {
  const auto number = [](size_t value, int width) {
    std::string out;
    while (width-- > 0) out += static_cast<char>(value >> (8 * width));
    return out;
  };
  const auto sized = [&](const std::string& content, int width) {
    return number(content.size(), width) + content;
  };
  std::string extensions;
  if (!sni.empty()) {
    const std::string entry = number(0, 1) + sized(std::string(sni), 2);
    extensions += number(0, 2) + sized(sized(entry, 2), 2);
  }
  extensions += number(16, 2) + sized(sized(sized("h2", 1), 2), 2);
  if (ech) extensions += number(0xfe0d, 2) + sized(std::string(32, 'g'), 2);
  const std::string body = number(0x0303, 2) + std::string(32, 'r') + sized("", 1) +
                           sized("\x13\x01", 2) + sized(number(0, 1), 1) + sized(extensions, 2);
  return "\x16\x03\x01" + sized("\x01" + sized(body, 3), 2);
}

inline std::string connect_request(std::string_view authority) {
  const std::string target(authority);
  return "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n\r\n";
}

// Everything on this machine's loopback is allowed.
inline constexpr std::string_view kLab = R"(
policy:
  rules:
    - name: lab
      allow: ["127.0.0.1:1-65535", "*.localhost:1-65535", "*.example:1-65535"]
      addresses: [127.0.0.0/8]
)";

class Session : public testing::Test {
 protected:
  static constexpr std::string_view kEstablished =
      "HTTP/1.1 200 Connection Established\r\nProxy-Status: penstock\r\n\r\n";

  SituationPtr situation(std::string_view policy, std::string_view more = "") const {
    const std::string text = "listeners: [{address: 127.0.0.1:3128}]\ndns: {servers: [\"" +
                             names_.at().text() + "\"]}\n" + std::string(policy) + "\n" +
                             std::string(more) + "\n";
    auto config = config::parse(text, "test.yaml");
    if (config) config = config::with_identity(*config);
    EXPECT_TRUE(config) << (config ? "" : config::describe(config.error(), "test.yaml"));
    return std::make_shared<const Situation>(config ? *config : config::defaults(), surroundings_);
  }

  // The worker; before the first client.
  void begin(std::string_view policy = kLab, std::string_view more = "") {
    worker_ =
        std::make_unique<Worker>(loop_, Worker::Parts{.number = 3,
                                                      .epoch = 0xabc,
                                                      .door = &door_,
                                                      .quotas = &quotas_,
                                                      .desk = &desk_,
                                                      .ports = &ports_,
                                                      .routes = &routes_,
                                                      .log = std::make_unique<CapturedLog>(lines_),
                                                      .situation = situation(policy, more),
                                                      .pipes_max = 4});
    settle_turns();
    frames_ = loop::live_frames();
  }
  void TearDown() override {
    worker_.reset();
    EXPECT_EQ(loop::live_frames(), 0);
    EXPECT_EQ(door_.seats_taken(), 0u);
    EXPECT_EQ(door_.pending(), 0u);
    EXPECT_EQ(quotas_.held(), 0u);
    for (const auto& [source, ports] : ports_.counts(loop_.now())) EXPECT_EQ(ports.in_use, 0u);
  }

  Peer connect() {
    auto client = sys::start_connect(entrance_, {}).value();
    auto accepted = sys::accept_connection(listener_.get()).value();
    sys::set_no_delay(client.get());
    worker_->welcome(std::move(accepted.fd), accepted.peer, door_.take_seat(), 0);
    return Peer(std::move(client));
  }
  Peer ask(std::string_view authority, std::string_view behind = "") {
    Peer client = connect();
    client.say(connect_request(authority) + std::string(behind));
    return client;
  }

  // Turns until it is so; without it within 20 s the test has failed.
  template <class Done>
  void until(Done&& done) {
    const Instant end = loop_.read_clock() + 20s;  // far longer than anything here takes
    loop::Timer tick(loop_);
    for (int turns = 0; !done(); ++turns) {
      ASSERT_LT(loop_.read_clock(), end) << "waited in vain";
      // The peers are not on the loop: after a while, look at them every millisecond only.
      if (turns > 100) tick.arm(loop_.now() + 1ms);
      loop_.turn(turns > 100);
    }
  }
  // Enough turns that whatever could still happen on a loopback has happened.
  void settle_turns() {
    for (int i = 0; i < 50; ++i) loop_.turn(false);
  }
  void until_heard(Peer& peer, std::string_view bytes) {
    until([&] { return peer.listen(), peer.heard().size() >= bytes.size() || peer.over(); });
    EXPECT_EQ(peer.heard(), bytes);
    peer.take();
  }
  void until_over(Peer& peer) {
    until([&] { return peer.listen(), peer.over(); });
  }
  Peer until_accepted(const Origin& origin) {
    std::optional<Peer> peer;
    until([&] { return (peer = origin.accept()).has_value(); });
    return peer ? std::move(*peer) : Peer(sys::Fd());
  }
  // A client with a tunnel, and the origin's end of it.
  std::pair<Peer, Peer> tunnel(const Origin& origin, const std::string& host = "127.0.0.1") {
    Peer client = ask(host + ":" + origin.port());
    until_heard(client, kEstablished);
    Peer far = until_accepted(origin);
    return {std::move(client), std::move(far)};
  }
  void until_settled(size_t connections = 1) {
    until([&] { return lines_.size() >= connections && worker_->live() == 0; });
    ASSERT_EQ(lines_.size(), connections);
  }

  // One line per connection, and this one ended so.
  void expect_ending(std::string_view outcome, std::string_view error, int status) {
    until_settled();
    ASSERT_EQ(lines_.size(), 1u);
    EXPECT_EQ(lines_[0]["outcome"], outcome) << lines_[0];
    EXPECT_EQ(lines_[0]["error"], error) << lines_[0];
    EXPECT_EQ(lines_[0]["status"], status) << lines_[0];
    expect_nothing_held();
  }
  void expect_nothing_held() const {
    EXPECT_EQ(worker_->live(), 0u);
    EXPECT_EQ(door_.seats_taken(), 0u);
    EXPECT_EQ(door_.pending(), 0u);
    EXPECT_EQ(quotas_.held(), 0u);
    EXPECT_EQ(worker_->metrics().tunnels.present(), 0u);
  }
  uint64_t ended(Outcome outcome, std::optional<Code> code) const {
    const size_t column = code ? static_cast<size_t>(*code) : kCodeCount;
    return worker_->metrics().connections[static_cast<size_t>(outcome)][column].value();
  }

  loop::Loop loop_;
  admission::Door door_{admission::DoorLimits{.seats = 100, .pending = 100}};
  admission::Quotas quotas_;
  identity::Desk desk_;
  admission::Ports ports_{PortRoom{}};
  admission::Routes routes_{{}, 1};
  Lines lines_;
  NameServer names_;
  policy::Surroundings surroundings_;
  sys::Fd listener_ = sys::open_listener(*Endpoint::parse("127.0.0.1:0"), {}).value();
  Endpoint entrance_ = sys::local_endpoint(listener_.get()).value();
  std::unique_ptr<Worker> worker_;
  int64_t frames_ = 0;  // of the worker alone
};

}  // namespace penstock::session
