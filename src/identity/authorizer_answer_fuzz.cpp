// Whatever an authorizer says, who is named has a sound name and sound groups. The first byte says
// how the rest is read: as JSON, or as the two fields, apart at its first line feed.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "identity/authorizer_answer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock;
  using namespace penstock::identity;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] != 'f') {
    const auto who = read_answer(text);
    if (who ? !is_sound(*who) : who.error().empty()) std::abort();
    return 0;
  }
  const size_t end = std::min(text.find('\n'), text.size());
  const fetch::Reply reply{
      .status = 200,
      .body = "",
      .fields = {{"user", std::string(text.substr(0, end))},
                 {"groups", std::string(text.substr(std::min(end + 1, text.size())))}}};
  const auto who = read_answer_fields(reply, "user", "groups");
  if (who ? !is_sound(*who) : who.error().empty()) std::abort();
  return 0;
}
