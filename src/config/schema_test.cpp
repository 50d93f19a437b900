// The published schema and the tables that the decoder works from say the same, key by key.
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "config/config.h"
#include "config/keys.h"

namespace penstock::config {
namespace {

using nlohmann::json;

struct SchemaKey {
  bool required = false;
  bool filled = false;
  std::string type;
  std::vector<std::string> words;
  uint64_t min = 0;
  uint64_t max = 0;
  friend bool operator==(const SchemaKey&, const SchemaKey&) = default;
};
void PrintTo(const SchemaKey& key, std::ostream* out) {
  *out << key.type << (key.required ? " required" : "") << (key.filled ? " filled" : "");
  for (const auto& word : key.words) *out << " " << word;
  *out << " " << key.min << ".." << key.max;
}
using SchemaKeys = std::map<std::string, SchemaKey>;

// Collects the keys below `node` and complains about objects that are open and keys that say
// nothing of themselves.
class Walk {
 public:
  explicit Walk(const json& schema) : schema_(schema) {}

  SchemaKeys keys() {
    object("", schema_);
    return std::move(keys_);
  }

 private:
  void object(const std::string& path, const json& node) {
    EXPECT_EQ(node.value("additionalProperties", true), false) << path;
    const auto required = node.value("required", std::vector<std::string>());
    for (const auto& [name, property] : node.at("properties").items()) {
      const std::string below = path.empty() ? name : path + "." + name;
      EXPECT_TRUE(property.contains("description")) << below;
      value(below, property, std::ranges::find(required, name) != required.end(), false);
    }
  }

  void value(const std::string& path, const json& node, bool required, bool filled) {
    SchemaKey key{required, filled, "", {}, 0, 0};
    if (node.contains("$ref")) {
      const std::string name = node["$ref"].get<std::string>().substr(strlen("#/$defs/"));
      const json& definition = schema_.at("$defs").at(name);
      if (definition.contains("properties")) return object(path, definition);
      key.type = name;
    } else if (node.contains("properties")) {
      return object(path, node);
    } else if (node.contains("oneOf")) {
      return object(path, node["oneOf"].back());  // "off", or this
    } else if (node.contains("enum")) {
      key.type = "word";
      key.words = node["enum"].get<std::vector<std::string>>();
    } else if (node["type"] == "array") {
      return value(path + "[]", node["items"], false, node.contains("minItems"));
    } else if (node["type"] == "integer") {
      key.type = "count";
      key.min = node["minimum"];
      key.max = node["maximum"];
    } else {
      key.type = node["type"];
    }
    keys_[path] = key;
  }

  const json& schema_;
  SchemaKeys keys_;
};

TEST(Schema, SaysTheSameAsTheDecoder) {
  const json schema = json::parse(config::schema());
  const SchemaKeys published = Walk(schema).keys();
  // What the decoder takes as text the schema may describe more closely.
  const std::map<std::string, std::string> closer = {
      {"policy.rules[].allow[]", "destination"},
      {"policy.rules[].deny[]", "destination"},
      {"policy.rules[].clients[]", "prefix"},
      {"policy.rules[].identities[]", "identity"},
      {"policy.rules[].addresses[]", "prefix"},
      {"quotas[].clients[]", "prefix"},
      {"quotas[].identities[]", "identity"},
      {"quotas[].groups[]", "identity"},
      {"policy.rules[].groups[]", "identity"},
      {"identity[].clients[]", "prefix"},
      {"policy.rules[].via[]", "parent"},
      {"policy.rules[].methods[]", "method"},
      {"policy.rules[].inspect.except[]", "host"},
      {"policy.rules[].inspect.origin_keys[]", "public_key"},
      {"policy.rules[].inspect.icap.request", "name"},
      {"policy.rules[].inspect.icap.response", "name"},
      {"policy.rules[].inspect.remove_headers[]", "field_name"},
  };
  // Items of allow and of deny have the same keys.
  const std::map<std::string, std::string> closer_in_request = {
      {"methods[]", "request_method"},
      {"hosts[]", "host"},
      {"paths[]", "path"},
      {"content_types[]", "media_type"},
  };
  SchemaKeys decoded;
  for (const KeyFacts& facts : all_keys()) {
    std::string type(facts.type);
    if (type == "text" && facts.path.contains(".http.")) {
      type = closer_in_request.at(facts.path.substr(facts.path.rfind('.') + 1));
    } else if (type == "text") {
      type = closer.at(facts.path);
    }
    decoded[facts.path] = {facts.required, facts.filled,
                           type,           {facts.words.begin(), facts.words.end()},
                           facts.min,      facts.max};
  }
  EXPECT_EQ(published.size(), decoded.size());
  for (const auto& [path, key] : decoded) {
    const auto found = published.find(path);
    ASSERT_NE(found, published.end()) << path;
    EXPECT_EQ(found->second, key) << path;
  }
  for (const auto& [path, key] : published) EXPECT_TRUE(decoded.contains(path)) << path;
  EXPECT_GE(decoded.size(), 45u);
}

TEST(Schema, EveryReferenceLeadsSomewhereAndEveryDefinitionIsUsed) {
  const std::string text = config::schema();
  const json schema = json::parse(text);
  std::set<std::string> used;
  const std::regex reference("#/\\$defs/([a-z_]+)");
  for (std::sregex_iterator at(text.begin(), text.end(), reference), end; at != end; ++at) {
    used.insert((*at)[1]);
  }
  std::set<std::string> defined;
  for (const auto& [name, definition] : schema.at("$defs").items()) defined.insert(name);
  EXPECT_EQ(used, defined);
}

// Writes a value of the schema as YAML (of which JSON is a part) below its path.
std::string config_with(const std::string& path, const json& value) {
  json root = value;
  size_t end = path.size();
  while (true) {
    const size_t dot = end == 0 ? std::string::npos : path.rfind('.', end - 1);
    const size_t begin = dot == std::string::npos ? 0 : dot + 1;
    const std::string name = path.substr(begin, end - begin);
    root = json{{name, root}};
    if (dot == std::string::npos) break;
    end = dot;
  }
  root["listeners"] = json::array({json{{"address", "127.0.0.1:3128"}}});
  return root.dump();
}

TEST(Schema, DefaultsAreThoseOfTheDecoder) {
  const json schema = json::parse(config::schema());
  const auto plain = parse("listeners: [{address: 127.0.0.1:3128}]", "");
  ASSERT_TRUE(plain);
  int seen = 0;
  std::map<std::string, json> sections = schema["properties"];
  sections.emplace("dial.spares", schema["properties"]["dial"]["properties"]["spares"]);
  for (const auto& [section, keys] : sections) {
    const json none = json::object();
    if (keys.contains("required")) continue;  // one key alone would not do
    for (const auto& [name, key] : keys.value("properties", none).items()) {
      if (!key.contains("default")) continue;
      ++seen;
      const std::string path = section + "." + name;
      // Written out, the default changes nothing that is compared below; a wrong one is a fault or
      // a difference.
      const auto written = parse(config_with(path, key["default"]), "");
      ASSERT_TRUE(written) << path << "\n" << describe(written.error(), "");
      const Config& a = **plain;
      const Config& b = **written;
      const auto all = [](const Config& c) {
        const Spares& s = c.dial.spares;
        const Timeouts& t = c.timeouts;
        const Limits& l = c.limits;
        const Dns& n = c.dns;
        return std::tuple(
            std::tuple(t.head, t.queue, t.resolve, t.dial, t.attempt, t.hello, t.idle,
                       t.half_closed, t.lifetime, t.drain, t.response, t.keep_alive),
            std::tuple(l.tunnels, l.tunnels_per_client, l.head_bytes, l.head_fields, l.pending,
                       l.pending_per_destination, l.memory, l.bandwidth, c.overload.close_idle),
            std::tuple(n.servers, n.search, n.cache_entries, n.min_ttl, n.max_ttl, n.negative_ttl,
                       n.stale),
            std::tuple(c.dial.source_addresses, c.dial.family, c.dial.keepalive,
                       c.dial.unacknowledged, c.log.access, c.log.level, c.log.progress, c.log.path,
                       c.log.ja4, c.policy.mode, c.policy_reload),
            std::tuple(s.destinations, s.popular, s.each, s.age));
      };
      EXPECT_EQ(all(a), all(b)) << path;
    }
  }
  EXPECT_GE(seen, 30);
}

}  // namespace
}  // namespace penstock::config
