// A YAML file as a tree of text with places. Of YAML we take mappings, lists and scalars; anchors,
// aliases, tags, merge keys, duplicate keys and further documents are faults: with them, what a
// reviewer reads and what the proxy does can differ. Nothing is given a type here, so that `no`,
// `1e3` and `0x10` stay what was written.
// Lifetime: the tree owns its text.   Limits: 64 MiB, 16 levels.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"

namespace penstock::config {

// Enough for 100,000 rules of 600 bytes.
inline constexpr size_t kDocumentBytesMax = 64 * 1024 * 1024;
// The configuration needs five.
inline constexpr size_t kDocumentDepthMax = 16;

struct Entry;

struct Node {
  enum class Kind : uint8_t { kEmpty, kText, kList, kMap };

  Kind kind = Kind::kEmpty;
  bool in_quotes = false;  // of kText
  Place place;
  std::string text;            // of kText
  std::vector<Entry> entries;  // of kList (keys empty) and kMap, in order

  // The value of `key`; null: not a mapping or no such key.
  const Node* find(std::string_view key) const;
};

struct Entry {
  std::string key;
  Place key_place;
  Node value;
};

// The tree of `text`, as far as there is one. Faults are added to `faults`; there is a tree beside
// them when they leave enough of it to look for more. Empty: not YAML at all.
std::optional<Node> read_document(std::string_view text, Faults* faults);

}  // namespace penstock::config
