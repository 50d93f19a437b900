// Which requests inside a tunnel may pass: `http: {allow: [...], deny: [...]}` of a rule.
//
// What is denied is looked for generously, in every way that an origin could take the request; what
// is allowed must be so in each of them. So a spelling that nobody thought of makes a request fail
// where there is an `allow`, and cannot make a `deny` fail where it is one of those we know.
// Pure.   Thread: any, once compiled.   Cost: linear in the items; an ordinary path is one string.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault.h"
#include "http/authority.h"
#include "policy/host_set.h"
#include "policy/inspection_spec.h"
#include "policy/path.h"

namespace penstock::policy {

// One request inside a tunnel, as far as rules look at it. Views of a request that outlives it.
struct InsideRequest {
  std::string_view method;
  std::string_view path;               // without its query
  std::string_view fields;             // field lines, each with its CR LF, for http::take_field()
  std::optional<uint64_t> body_bytes;  // none: not known beforehand
};

// How a request was judged, for the proxy and for people.
struct RequestVerdict {
  enum class Why : uint8_t {
    kNothingDenied,  // there is no `allow`
    kAllowed,        // by the item at `place`
    kDenied,         // by the item at `place`
    kNoneAllows,
    kPath,  // its path cannot be judged: every deny of paths holds, and no allow
  };
  Why why = Why::kNothingDenied;
  Place place;

  bool passes() const { return why == Why::kNothingDenied || why == Why::kAllowed; }
};

class RequestRules {
 public:
  RequestRules() = default;
  // What is faulty is left out, and a fault.
  RequestRules(const InspectionSpec& spec, Faults& faults);

  RequestVerdict judge(const http::Authority& target, const InsideRequest& request) const;
  bool empty() const { return allow_.empty() && deny_.empty(); }

 private:
  struct Header {
    std::string name;
    std::string folded;  // http::folded_name()
    std::string glob;
    std::string lower_glob;
  };
  // For what is allowed, and for what is denied.
  enum class Manner : uint8_t { kStrict, kGenerous };
  struct Item {
    Place place;
    std::vector<std::string> methods;
    HostSet hosts;
    std::vector<PathGlob> paths;
    std::vector<std::string> content_types;
    std::vector<Header> headers;
    std::optional<uint64_t> body_max;
    std::optional<uint64_t> body_over;

    bool matches(const http::Authority& target, const InsideRequest& request,
                 const std::optional<PathReadings>& path, Manner manner) const;
    bool has_method(std::string_view method, Manner manner) const;
    bool has_path(const std::optional<PathReadings>& path, Manner manner) const;
    bool has_content_type(std::string_view fields, Manner manner) const;
    bool has_size(const std::optional<uint64_t>& bytes) const;
  };
  static Item item_of(const RequestSpec& spec, Faults& faults);
  static bool has_header(const Header& wanted, std::string_view fields, Manner manner);

  std::vector<Item> allow_;
  std::vector<Item> deny_;
  bool on_paths_ = false;  // some item names paths
};

}  // namespace penstock::policy
