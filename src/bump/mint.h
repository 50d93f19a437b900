// Where inspected tunnels get their certificates, for all workers: what was made lately is there at
// once; the rest waits in line for one clerk, who draws each up and has the key keeper sign it.
// Whoever wants the same meanwhile waits for the same.
// Thread: any; open() is for one that lives as long as the process.   Lifetime: shared by all who
// ask. The last one to let go of it waits for what the clerk is at: some 100 us; 2 s where the
// keeper hangs, 10 s where it is being started.   Limits: `leaves` in the cache, kWaitingMax in
// line.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/fault.h"
#include "base/time.h"
#include "bump/keeper.h"
#include "bump/leaf.h"
#include "bump/shelf.h"
#include "config/config.h"
#include "observe/program_log.h"
#include "tls/owned.h"

namespace penstock::bump {

struct Leaf {
  tls::OwnedCertificate certificate;
  tls::OwnedKey key;
  std::shared_ptr<STACK_OF(X509)> chain;  // behind it, the root included; of nobody's leaf: empty
  time_t until = 0;                       // is not shown any more behind it

  // `ssl` shows it to its client. False: OpenSSL refuses, which is nothing that a client can cause.
  bool show(SSL* ssl) const;
};
using LeafPtr = std::shared_ptr<const Leaf>;

// What tests have otherwise.
struct MintMeans {
  std::string program = "/proc/self/exe";               // has the command keep-key
  Duration patience = std::chrono::seconds(5);          // of an order, with a keeper that is away
  Duration signing_patience = std::chrono::seconds(2);  // with one that does not answer
};

class Mint {
 public:
  static constexpr size_t kWaitingMax = 1024;
  struct Counts {
    uint64_t minted = 0;
    uint64_t cached = 0;     // were there
    uint64_t coalesced = 0;  // waited for an order of somebody else
    uint64_t failed = 0;
    uint64_t keeper_restarts = 0;
    size_t in_cache = 0;
    size_t waiting = 0;
  };
  class Order;
  using OrderPtr = std::shared_ptr<Order>;

  // Reads the owner's certificate, starts the keeper and has it read the key.
  static std::expected<std::shared_ptr<Mint>, Faults> open(const config::Inspection& settings,
                                                           Faults* warnings,
                                                           const MintMeans& means = {});
  ~Mint();
  Mint(const Mint&) = delete;
  Mint& operator=(const Mint&) = delete;

  // There; or an order. `ring` is called once it is answered, on any thread, and before this
  // returns where it fails at once because too many wait.
  std::variant<LeafPtr, OrderPtr> ask(Wish wish, std::move_only_function<void()> ring);
  // Nothing yet; or kMintFailed.
  std::optional<Result<LeafPtr>> answer(const OrderPtr& order) const;

  Counts counts() const;
  pid_t keeper() const;  // its process; 0: there is none just now

 private:
  struct Opened;

 public:
  explicit Mint(Opened opened);  // by open() alone

 private:
  void serve();
  Result<LeafPtr> fulfil(const Order& order);
  Result<std::string> have_signed(const std::string& draft, const Order& order);
  bool wait_for_keeper(Instant deadline);
  void start_keeper();
  void tell(observe::Level level, const std::string& trouble);
  void settle(Order& order, Result<LeafPtr> answer);

  const Duration patience_;
  const Engraver engraver_;
  const std::shared_ptr<STACK_OF(X509)> chain_;
  const std::shared_ptr<STACK_OF(X509)> no_chain_;

  // The clerk's own.
  std::unique_ptr<Keeper> keeper_;
  Instant may_start_{};
  Duration back_off_;
  std::string trouble_;  // what the log has been told of it last

  mutable std::mutex mutex_;
  std::condition_variable called_;
  bool closed_ = false;  // guarded by mutex_, as is all below
  std::deque<OrderPtr> line_;
  std::unordered_map<std::string, OrderPtr> open_;  // in line, or the one that the clerk is at
  Shelf<LeafPtr> shelf_;
  Counts counts_;
  pid_t keeper_pid_ = 0;

  std::thread clerk_;
};

}  // namespace penstock::bump
