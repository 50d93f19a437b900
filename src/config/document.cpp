#include "config/document.h"

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <sstream>
#include <unordered_map>
#include <utility>

#include "config/unicode.h"
#include "config/wording.h"

namespace penstock::config {
namespace {

Place place_of(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {mark.line + 1, mark.column + 1};
}

Node empty_at(const YAML::Mark& mark) {
  Node node;
  node.place = place_of(mark);
  return node;
}

// Builds the tree out of the parser's events. Events rather than YAML::Node: those have resolved
// aliases and lost duplicate keys and where a key stands before we could object.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(Faults* faults) : faults_(faults) {}

  void OnDocumentStart(const YAML::Mark& mark) override { start_ = place_of(mark); }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    add(empty_at(mark));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    blame(place_of(mark), "aliases are not supported; write text that begins with * in quotes");
    add(empty_at(mark), /*known_bad=*/true);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    Node node = empty_at(mark);
    node.kind = Node::Kind::kText;
    node.in_quotes = tag == "!";
    node.text = value;
    add(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Node::Kind::kList, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Node::Kind::kMap, mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

  Node take_root() { return std::move(root_); }
  Place start() const { return start_; }

 private:
  // A list or mapping that is not closed yet.
  struct Open {
    Node node;
    std::optional<Located<std::string>> key = std::nullopt;  // of a mapping: its value comes next
    bool bad_key = false;                                    // the value that comes next is dropped
  };

  void blame(Place place, std::string message) { faults_->push_back({place, std::move(message)}); }

  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) {
      blame(place_of(mark), "anchors are not supported; write the value where it is needed");
    }
  }
  // "?" is a plain value without a tag, "!" one in quotes.
  void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag != "?" && tag != "!" && !tag.empty()) {
      constexpr std::string_view kStandard = "tag:yaml.org,2002:";
      const std::string written =
          tag.starts_with(kStandard) ? "!!" + tag.substr(kStandard.size()) : tag;
      blame(place_of(mark), "tags are not supported; remove " + quote(written));
    }
  }

  void open(Node::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    if (open_.size() == kDocumentDepthMax) {
      if (too_deep_++ == 0) blame(place_of(mark), "nested too deeply");
      return;
    }
    open_.push_back({empty_at(mark)});
    open_.back().node.kind = kind;
  }

  void close() {
    if (too_deep_ > 0) {
      if (--too_deep_ == 0) add(Node(), /*known_bad=*/true);
      return;
    }
    Node node = std::move(open_.back().node);
    open_.pop_back();
    if (node.kind == Node::Kind::kMap) refuse_duplicates(node);
    add(std::move(node));
  }

  // A node of which a fault was reported already (`known_bad`) stays out of the tree.
  void add(Node node, bool known_bad = false) {
    if (too_deep_ > 0) return;
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == Node::Kind::kList) {
      if (!known_bad) parent.node.entries.push_back({"", node.place, std::move(node)});
    } else if (std::exchange(parent.bad_key, false)) {
      return;
    } else if (!parent.key) {
      take_key(parent, std::move(node), known_bad);
    } else {
      // The parser places a missing value at whatever comes next.
      if (node.kind == Node::Kind::kEmpty) node.place = parent.key->place;
      if (!known_bad) {
        parent.node.entries.push_back(
            {std::move(parent.key->value), parent.key->place, std::move(node)});
      }
      parent.key.reset();
    }
  }

  void take_key(Open& parent, Node node, bool known_bad) {
    if (node.kind == Node::Kind::kText && !known_bad && node.text != "<<") {
      parent.key = Located<std::string>{std::move(node.text), node.place};
      return;
    }
    parent.bad_key = true;
    if (known_bad) return;
    blame(node.place, node.text == "<<" ? "merge keys are not supported; write the values out"
                                        : "a key must be plain text");
  }

  void refuse_duplicates(const Node& map) {
    std::unordered_map<std::string_view, int> lines;
    for (const Entry& entry : map.entries) {
      const auto [first, fresh] = lines.try_emplace(entry.key, entry.key_place.line);
      if (fresh) continue;
      blame(entry.key_place, "key " + quote(entry.key) +
                                 " stands twice in the same mapping; the "
                                 "first is on line " +
                                 std::to_string(first->second));
    }
  }

  Faults* faults_;
  Node root_;
  Place start_;
  std::vector<Open> open_;
  size_t too_deep_ = 0;  // how many levels below kDocumentDepthMax we are
};

// Whether line `line` (from 1) is indented with a tab.
bool begins_with_tab(std::string_view text, int line) {
  for (; line > 1; --line) {
    const size_t end = text.find('\n');
    if (end == text.npos) return false;
    text.remove_prefix(end + 1);
  }
  const size_t indent = text.find_first_not_of(' ');
  return indent != text.npos && text[indent] == '\t';
}

// The parser's words are for people who write parsers. The two mistakes that people make here are
// an unquoted * in a pattern and a tab.
std::string explain(const YAML::Exception& exception, std::string_view text) {
  std::string out = "not valid YAML: " + exception.msg;
  if (exception.msg.contains("alias") || exception.msg.contains("anchor")) {
    return out + "; text that begins with * or & must be in quotes, as in \"*:443\"";
  }
  if (begins_with_tab(text, place_of(exception.mark).line)) {
    return out + "; indent with spaces, not with a tab";
  }
  return out;
}

// The one place that sees exceptions of the YAML library.
std::optional<Node> parse_yaml(std::string_view text, Faults* faults) {
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    TreeBuilder builder(faults);
    if (!parser.HandleNextDocument(builder)) {
      faults->push_back({{},
                         "the file is empty; it needs at least a listener, such as "
                         "listeners: [{address: 127.0.0.1:3128}]"});
      return std::nullopt;
    }
    Faults unheeded;
    TreeBuilder further(&unheeded);
    if (parser.HandleNextDocument(further)) {
      faults->push_back({further.start(), "a second YAML document; only one can be read"});
    }
    return builder.take_root();
  } catch (const YAML::DeepRecursion& exception) {
    // The library's bound is far behind ours, so that the builder has said it already.
    if (faults->empty()) faults->push_back({place_of(exception.mark), "nested too deeply"});
  } catch (const YAML::Exception& exception) {
    faults->push_back({place_of(exception.mark), explain(exception, text)});
  } catch (const std::exception& exception) {
    faults->push_back({{}, std::string("not valid YAML: ") + exception.what()});
  }
  return std::nullopt;
}

}  // namespace

const Node* Node::find(std::string_view key) const {
  if (kind != Kind::kMap) return nullptr;
  for (const Entry& entry : entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

std::optional<Node> read_document(std::string_view text, Faults* faults) {
  if (text.size() > kDocumentBytesMax) {
    faults->push_back({{}, "larger than 64 MiB"});
    return std::nullopt;
  }
  // The YAML library ends the file at a byte 0x04, silently: rules behind it would be gone.
  if (const auto place = find_unprintable(text)) {
    faults->push_back({*place, "a byte that is neither printable nor UTF-8"});
    return std::nullopt;
  }
  return parse_yaml(text, faults);
}

}  // namespace penstock::config
