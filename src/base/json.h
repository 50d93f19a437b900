// Writes one JSON object or array into a string, in order, in one pass. For log lines and
// admin answers; nothing here reads JSON. Hostile bytes come out as valid JSON: what is not
// UTF-8 or is a control character is escaped as \u00XX.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace penstock {

class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);

  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(uint64_t number);
  JsonWriter& value(int64_t number);
  JsonWriter& value(int number) { return value(static_cast<int64_t>(number)); }
  JsonWriter& value(double number);
  JsonWriter& value(bool truth);

  template <class T>
  JsonWriter& field(std::string_view name, const T& content) {
    return key(name).value(content);
  }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void separate();

  std::string& out_;
  bool first_ = true;  // no comma is owed
};

// Appends `text` with JSON escapes and without quotes.
void append_json_escaped(std::string& out, std::string_view text);

}  // namespace penstock
