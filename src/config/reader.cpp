#include "config/reader.h"

#include "base/ascii.h"

namespace penstock::config {
namespace {

std::string found(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kEmpty: return "nothing";
    case Node::Kind::kText: return quote(node.text) + (node.in_quotes ? " in quotes" : "");
    case Node::Kind::kList: return "a list";
    case Node::Kind::kMap: return "a mapping";
  }
  return {};
}

}  // namespace

std::string Path::text() const {
  if (parent_ == nullptr) return {};
  const std::string before = parent_->text();
  if (key_.empty()) return before + "[" + std::to_string(index_) + "]";
  return before.empty() ? std::string(key_) : before + "." + std::string(key_);
}

std::string Path::prefix() const {
  const std::string name = text();
  return name.empty() ? name : name + ": ";
}

void blame(const Node& node, const Path& path, std::string_view message, Faults& faults) {
  faults.push_back({node.place, path.prefix().append(message)});
}

void blame_expected(const Node& node, const Path& path, std::string_view what, Faults& faults) {
  blame(node, path, "found " + found(node) + "; expected " + std::string(what), faults);
}

void blame_unknown_key(const Entry& entry, const Path& path,
                       std::span<const std::string_view> known, Faults& faults) {
  const std::string_view meant = nearest(entry.key, known);
  const std::string hint = meant.empty() ? "; the keys here are " + listed(known)
                                         : "; did you mean " + quote(meant) + "?";
  faults.push_back({entry.key_place, path.prefix() + "unknown key " + quote(entry.key) + hint});
}

const std::string* text_of(const Node& node, const Path& path, std::string_view what,
                           Faults& faults) {
  if (node.kind == Node::Kind::kText) return &node.text;
  blame_expected(node, path, what, faults);
  return nullptr;
}

const std::string* plain_text_of(const Node& node, const Path& path, std::string_view what,
                                 Faults& faults) {
  if (node.kind == Node::Kind::kText && !node.in_quotes) return &node.text;
  blame_expected(node, path, what, faults);
  return nullptr;
}

void read_duration(const Node& node, const Path& path, Faults& faults, Duration min, Duration max,
                   Duration& out) {
  const std::string* text = text_of(node, path, "a duration such as 250ms, 10s, 15m or 1h", faults);
  if (text == nullptr) return;
  const auto value = parse_duration(*text);
  const std::string longest = "at most " + duration_text(max);
  if (!value) {
    blame_expected(node, path,
                   "a whole number with a unit (ms, s, m or h), such as 10s, " + longest, faults);
  } else if (*value < min || *value > max) {
    blame_expected(node, path, "at least " + duration_text(min) + " and " + longest, faults);
  } else {
    out = *value;
  }
}

void read_size(const Node& node, const Path& path, Faults& faults, uint64_t min, uint64_t max,
               uint64_t& out) {
  const std::string* text = text_of(node, path, "a size such as 16KiB", faults);
  if (text == nullptr) return;
  const auto value = parse_size(*text);
  if (!value) {
    blame_expected(node, path, "a whole number with a unit (B, KiB, MiB or GiB), such as 16KiB",
                   faults);
  } else if (*value < min || *value > max) {
    blame_expected(node, path, "at least " + size_text(min) + " and at most " + size_text(max),
                   faults);
  } else {
    out = *value;
  }
}

void read_count(const Node& node, const Path& path, Faults& faults, uint64_t min, uint64_t max,
                uint64_t& out) {
  const std::string what =
      "a whole number from " + std::to_string(min) + " to " + std::to_string(max);
  const std::string* text = plain_text_of(node, path, what, faults);
  if (text == nullptr) return;
  const auto value = parse_decimal(*text, max);
  if (!value || *value < min) {
    blame_expected(node, path, what, faults);
  } else {
    out = *value;
  }
}

void read_boolean(const Node& node, const Path& path, Faults& faults, bool& out) {
  constexpr std::string_view kWhat = "true or false";
  const std::string* text = plain_text_of(node, path, kWhat, faults);
  if (text == nullptr) return;
  if (*text == "true") {
    out = true;
  } else if (*text == "false") {
    out = false;
  } else {
    blame_expected(node, path, kWhat, faults);
  }
}

}  // namespace penstock::config
