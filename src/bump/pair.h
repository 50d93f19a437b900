// An authority's two files, certificates and key, which belong together: both are there or none,
// and at a change of keys both are new or both are as before.
//
// What is new is written beside its place (FILE.penstock-new) and synced, the key first, then moved
// there, the key first. So whoever finds KEY.penstock-new knows that nothing had happened yet, and
// whoever finds FILE.penstock-new without it knows that the key is in its place and the
// certificates are whole. A run that was killed in between is ended so by the next, before that one
// does anything else. Thread: one. Another process that does the same in the key's folder is
// refused (flock).
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "base/secret.h"

namespace penstock::bump {

struct PairFiles {
  std::string certificates;
  std::string key;
};

// What a run that had been killed was found to have left.
enum class Recovered : uint8_t {
  kNothing,
  kUndone,    // leftovers of one that had changed nothing are gone
  kFinished,  // one that lacked its last step has been ended
};

// Holds the lock, and the signals that would end the program, while it lives.
class PairChange {
 public:
  // In words of their own where it fails: "/etc/…/ca.key: …".
  static std::expected<PairChange, std::string> begin(const PairFiles& named);
  PairChange(PairChange&& other) noexcept;
  PairChange& operator=(PairChange&&) = delete;
  ~PairChange();

  Recovered recovered() const { return recovered_; }

  // Both are new; whatever is there stays, and is an error.
  std::expected<void, std::string> create(const std::string& certificates, const Secret& key);
  // Both take the place of what is there, which is kept as FILE.old and KEY.old (0600), and which
  // the new ones have their owner from. If there is a FILE.old already, that is an error.
  std::expected<void, std::string> replace(const std::string& certificates, const Secret& key);

 private:
  struct Held;
  PairChange(PairFiles files, std::unique_ptr<Held> held);

  PairFiles files_;
  std::unique_ptr<Held> held_;
  Recovered recovered_ = Recovered::kNothing;
};

// Such as FILE.penstock-new: of a change that was killed and that the next one will end.
bool was_interrupted(const PairFiles& files);

}  // namespace penstock::bump
