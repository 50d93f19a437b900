// What an external authorizer says of somebody it accepts: JSON, or two fields.
//   {"identity": "ann", "groups": ["staff", "ops"]}
// Another member, or one of another type, is a mistake and no answer: a group whose name was
// misspelt may be one that a rule refuses.
// Pure.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "fetch/fetcher.h"
#include "identity/identity.h"

namespace penstock::identity {

inline constexpr size_t kAnswerBytesMax = 64 * 1024;

// Or what is wrong with it, in words that say nothing of what it says.
using Named = std::expected<Identity, std::string_view>;

Named read_answer(std::string_view body);

// The identity stands in the field `identity`, groups in the list `groups`, with commas; an empty
// name is no field. Names are in small letters.
Named read_answer_fields(const fetch::Reply& reply, const std::string& identity,
                         const std::string& groups);

}  // namespace penstock::identity
