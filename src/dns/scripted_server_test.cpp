// Holds no test: the name tells the build that this belongs to the tests.
#include "dns/scripted_server.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "base/check.h"

namespace penstock::dns::scripted {
namespace {

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool bind_to(int fd, uint16_t port) {
  const sockaddr_in address = loopback(port);
  return ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

uint16_t port_of(int fd) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  PENSTOCK_CHECK(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0);
  return ntohs(address.sin_port);
}

bool read_exactly(int fd, std::span<uint8_t> into) {
  while (!into.empty()) {
    const ssize_t got = ::recv(fd, into.data(), into.size(), 0);
    if (got <= 0) return false;
    into = into.subspan(static_cast<size_t>(got));
  }
  return true;
}

Question parse(std::span<const uint8_t> query, uint16_t port, bool tcp) {
  PENSTOCK_CHECK(query.size() >= 17);
  Question question{};
  question.id = static_cast<uint16_t>(query[0] << 8 | query[1]);
  question.port = port;
  question.tcp = tcp;
  question.edns = query[11] != 0;
  size_t at = 12;
  while (query[at] != 0) {
    if (!question.name.empty()) question.name += '.';
    question.name.append(reinterpret_cast<const char*>(&query[at + 1]), query[at]);
    at += size_t{1} + query[at];
  }
  question.type = static_cast<RecordType>(query[at + 1] << 8 | query[at + 2]);
  return question;
}

}  // namespace

Server::Server(loop::Loop& loop, Script script)
    : loop_(loop), stop_(::eventfd(0, EFD_CLOEXEC)), script_(std::move(script)) {
  // The same port for both protocols: another process may have either.
  uint16_t port = 0;
  do {
    udp_ = sys::Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    tcp_ = sys::Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    PENSTOCK_CHECK(bind_to(udp_.get(), 0));
    port = port_of(udp_.get());
  } while (!bind_to(tcp_.get(), port));
  PENSTOCK_CHECK(::listen(tcp_.get(), 64) == 0);
  endpoint_ = {IpAddress::from_v4(127, 0, 0, 1), port};
  thread_ = std::thread([this] { run(); });
}

Server::~Server() {
  const uint64_t one = 1;
  PENSTOCK_CHECK(::write(stop_.get(), &one, sizeof one) == sizeof one);
  thread_.join();
}

void Server::follow(Script script) {
  const std::lock_guard lock(mutex_);
  script_ = std::move(script);
}

std::vector<Question> Server::questions() const {
  const std::lock_guard lock(mutex_);
  return questions_;
}

void Server::run() {
  std::array<pollfd, 3> wait{
      {{stop_.get(), POLLIN, 0}, {udp_.get(), POLLIN, 0}, {tcp_.get(), POLLIN, 0}}};
  while (true) {
    PENSTOCK_CHECK(::poll(wait.data(), wait.size(), -1) > 0);
    if (wait[0].revents) return;
    if (wait[1].revents) serve_udp();
    if (wait[2].revents) serve_tcp();
  }
}

void Server::serve_udp() {
  std::array<uint8_t, 2048> buffer;
  sockaddr_in from{};
  socklen_t length = sizeof from;
  auto* address = reinterpret_cast<sockaddr*>(&from);
  const ssize_t got = ::recvfrom(udp_.get(), buffer.data(), buffer.size(), 0, address, &length);
  if (got <= 0) return;
  const std::span query(buffer.data(), static_cast<size_t>(got));
  for (const Message& reply : play(query, ntohs(from.sin_port), false)) {
    ::sendto(udp_.get(), reply.data(), reply.size(), MSG_NOSIGNAL, address, length);
  }
}

void Server::serve_tcp() {
  const sys::Fd peer(::accept4(tcp_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const timeval limit{.tv_sec = 5, .tv_usec = 0};
  ::setsockopt(peer.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  std::array<uint8_t, 2> size;
  if (!read_exactly(peer.get(), size)) return;
  std::vector<uint8_t> query(static_cast<size_t>(size[0] << 8 | size[1]));
  if (!read_exactly(peer.get(), query)) return;
  for (Message reply : play(query, 0, true)) {
    const auto length = static_cast<uint16_t>(reply.size());
    reply.insert(reply.begin(), {static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length)});
    ::send(peer.get(), reply.data(), reply.size(), MSG_NOSIGNAL);
  }
}

std::vector<Message> Server::play(std::span<const uint8_t> query, uint16_t port, bool tcp) {
  const Question question = parse(query, port, tcp);
  std::vector<Message> replies;
  {
    const std::lock_guard lock(mutex_);
    questions_.push_back(question);
    replies = script_(question);
  }
  loop_.mailbox().post([] {});
  return replies;
}

Script addresses(std::string v4, std::string v6, uint32_t ttl) {
  return [=](const Question& question) -> std::vector<Message> {
    const std::string& text = question.type == RecordType::kA ? v4 : v6;
    Writer reply = question.reply();
    if (!text.empty()) reply.address(question.name, text, ttl);
    return {reply.edns().done()};
  };
}

Script rcode(int code) {
  return [=](const Question& question) -> std::vector<Message> {
    return {question.reply({.rcode = code}).edns().done()};
  };
}

Script silence() {
  return [](const Question&) { return std::vector<Message>(); };
}

}  // namespace penstock::dns::scripted
