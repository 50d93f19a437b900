// Reads nodes of a document into values, by tables of keys. A Type is a struct that says how one
// kind of value is read and described:
//   static void read(const Node&, const Path&, Faults&, Value& out);   leaves `out` alone on a
//   fault static void describe(KeyFacts, std::vector<KeyFacts>& out);        itself, or the keys
//   below it
// The tables are data, so that a test can hold the published schema against them.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "config/document.h"
#include "config/scalars.h"
#include "config/wording.h"

namespace penstock::config {

// Where a value stands, as people name it: "policy.rules[2].name". A chain of locals: each points
// to the one it was made from, which must outlive it. Costs nothing until text() is asked for.
class Path {
 public:
  Path() = default;  // the whole file
  Path(const Path& parent, std::string_view key) : parent_(&parent), key_(key) {}
  Path(const Path& parent, size_t index) : parent_(&parent), index_(index) {}

  size_t index() const { return index_; }
  std::string text() const;
  // "policy.mode: " in front of a message; nothing for the whole file.
  std::string prefix() const;

 private:
  const Path* parent_ = nullptr;
  std::string_view key_;  // empty: an element of a list
  size_t index_ = 0;
};

// One key that may be written, for the test that compares with the schema. List elements end in
// "[]".
struct KeyFacts {
  std::string path;
  bool required = false;
  bool filled = false;  // a list that must not be empty
  std::string_view type = {};
  std::vector<std::string_view> words = {};  // of type "word"
  uint64_t min = 0;                          // of type "count"
  uint64_t max = 0;
};

void blame(const Node& node, const Path& path, std::string_view message, Faults& faults);
// "path: found "15"; expected `what`".
void blame_expected(const Node& node, const Path& path, std::string_view what, Faults& faults);
void blame_unknown_key(const Entry& entry, const Path& path,
                       std::span<const std::string_view> known, Faults& faults);

// The text of a node; null and a fault if it has none.
const std::string* text_of(const Node& node, const Path& path, std::string_view what,
                           Faults& faults);
// The same for what must not stand in quotes: numbers and truths.
const std::string* plain_text_of(const Node& node, const Path& path, std::string_view what,
                                 Faults& faults);

void read_duration(const Node& node, const Path& path, Faults& faults, Duration min, Duration max,
                   Duration& out);
void read_size(const Node& node, const Path& path, Faults& faults, uint64_t min, uint64_t max,
               uint64_t& out);
void read_count(const Node& node, const Path& path, Faults& faults, uint64_t min, uint64_t max,
                uint64_t& out);
void read_boolean(const Node& node, const Path& path, Faults& faults, bool& out);

// A Type that is a name in the schema's $defs and nothing more.
inline void describe_as(std::string_view type, KeyFacts facts, std::vector<KeyFacts>& out) {
  facts.type = type;
  out.push_back(std::move(facts));
}

// In milliseconds, in which a DurationType is bounded.
inline constexpr int64_t kSecond = 1000;
inline constexpr int64_t kDay = 24 * 3600 * kSecond;

// Between the two, both included.
template <int64_t min_millis = 0, int64_t max_millis = kDurationMax / std::chrono::milliseconds(1)>
struct DurationType {
  static void read(const Node& node, const Path& path, Faults& faults, Duration& out) {
    read_duration(node, path, faults, std::chrono::milliseconds(min_millis),
                  std::chrono::milliseconds(max_millis), out);
  }
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    describe_as("duration", std::move(facts), out);
  }
};

template <uint64_t min, uint64_t max>
struct SizeType {
  static void read(const Node& node, const Path& path, Faults& faults, uint64_t& out) {
    read_size(node, path, faults, min, max, out);
  }
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    describe_as("size", std::move(facts), out);
  }
};

template <uint64_t min, uint64_t max>
struct CountType {
  static void read(const Node& node, const Path& path, Faults& faults, uint64_t& out) {
    read_count(node, path, faults, min, max, out);
  }
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    facts.min = min;
    facts.max = max;
    describe_as("count", std::move(facts), out);
  }
};

struct BooleanType {
  static void read(const Node& node, const Path& path, Faults& faults, bool& out) {
    read_boolean(node, path, faults, out);
  }
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    describe_as("boolean", std::move(facts), out);
  }
};

template <class E>
struct Word {
  std::string_view text;
  E value;
};

// One of a few words. `words` is an array of Word.
template <auto& words>
struct WordType {
  template <class E>
  static void read(const Node& node, const Path& path, Faults& faults, E& out) {
    const auto all = texts();
    const std::string* text = text_of(node, path, alternatives(all), faults);
    if (text == nullptr) return;
    for (const auto& word : words) {
      if (word.text != *text) continue;
      out = word.value;
      return;
    }
    blame_expected(node, path, alternatives(all), faults);
  }
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    const auto all = texts();
    facts.words.assign(all.begin(), all.end());
    describe_as("word", std::move(facts), out);
  }

 private:
  static auto texts() {
    std::array<std::string_view, std::size(words)> out;
    for (size_t i = 0; i < out.size(); ++i) out[i] = words[i].text;
    return out;
  }
};

enum class Emptiness : uint8_t { kAllowed, kRefused };
// What becomes of an element in which a fault was found.
enum class Faulty : uint8_t { kDropped, kKept };

template <class Element, Emptiness emptiness = Emptiness::kAllowed,
          Faulty faulty = Faulty::kDropped>
struct ListType {
  template <class V>
  static void read(const Node& node, const Path& path, Faults& faults, std::vector<V>& out) {
    if (node.kind != Node::Kind::kList) {
      blame_expected(node, path, "a list, in brackets or with a dash before each element", faults);
      return;
    }
    out.clear();  // what is written takes the place of a default
    // An empty list of clients would mean "any" to one reader and "none" to the next.
    if (emptiness == Emptiness::kRefused && node.entries.empty()) {
      blame(node, path, "the list is empty; name at least one, or leave the key out", faults);
    }
    for (size_t i = 0; i < node.entries.size(); ++i) {
      V value{};
      const size_t faults_before = faults.size();
      Element::read(node.entries[i].value, Path(path, i), faults, value);
      if (faulty == Faulty::kKept || faults.size() == faults_before) {
        out.push_back(std::move(value));
      }
    }
  }
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    facts.path += "[]";
    facts.filled = emptiness == Emptiness::kRefused;
    facts.required = false;
    Element::describe(std::move(facts), out);
  }
};

// A key of a mapping that is read into a T.
template <class T>
struct Key {
  std::string_view name;
  bool required;
  void (*read)(const Node&, const Path&, Faults&, T&);
  void (*describe)(KeyFacts, std::vector<KeyFacts>&);
};

// `member` is a member pointer or a function from T& to a reference.
template <class T, class Type, auto member>
constexpr Key<T> key(std::string_view name, bool required = false) {
  return {name, required,
          [](const Node& node, const Path& path, Faults& faults, T& out) {
            Type::read(node, path, faults, std::invoke(member, out));
          },
          &Type::describe};
}
inline constexpr bool kRequired = true;

// A mapping whose keys are those of the table `keys` and no others.
template <auto& keys>
struct MapType {
  template <class T>
  static void read(const Node& node, const Path& path, Faults& faults, T& out) {
    if (node.kind != Node::Kind::kMap) {
      blame_expected(node, path, "a mapping with keys such as " + std::string(keys[0].name),
                     faults);
      return;
    }
    for (const Entry& entry : node.entries) read_entry(entry, path, faults, out);
    for (const auto& key : keys) {
      if (!key.required || node.find(key.name) != nullptr) continue;
      blame(node, path, "key " + quote(key.name) + " is missing", faults);
    }
  }
  // NOLINTNEXTLINE(performance-unnecessary-value-param): the shape that every type's has
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    const std::string stem = facts.path.empty() ? "" : facts.path + ".";
    for (const auto& key : keys) {
      key.describe({.path = stem + std::string(key.name), .required = key.required}, out);
    }
  }

 private:
  template <class T>
  static void read_entry(const Entry& entry, const Path& path, Faults& faults, T& out) {
    std::array<std::string_view, std::size(keys)> names;
    for (size_t i = 0; i < names.size(); ++i) {
      names[i] = keys[i].name;
      if (entry.key != names[i]) continue;
      keys[i].read(entry.value, Path(path, keys[i].name), faults, out);
      return;
    }
    blame_unknown_key(entry, path, names, faults);
  }
};

}  // namespace penstock::config
