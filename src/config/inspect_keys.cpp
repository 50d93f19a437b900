#include "config/inspect_keys.h"

#include <utility>

namespace penstock::config {
namespace {

using policy::FieldSpec;
using policy::InspectionSpec;
using policy::RequestSpec;

constexpr Word<policy::OriginFaults> kOriginFaults[] = {{"refuse", policy::OriginFaults::kRefuse},
                                                        {"mimic", policy::OriginFaults::kMimic}};
constexpr Word<policy::OtherProtocols> kOthers[] = {{"tunnel", policy::OtherProtocols::kTunnel},
                                                    {"refuse", policy::OtherProtocols::kRefuse}};

using TextList = ListType<LocatedTextType, Emptiness::kRefused>;
constexpr uint64_t kLeavesMax = 1'000'000;
constexpr uint64_t kPinnedMax = 1000;

// --- what requests inside are held against
// ---------------------------------------------------------------------------------------

// Fields by name, each with a glob that its value is to match.
struct HeaderGlobsType {
  static void read(const Node& node, const Path& path, Faults& faults,
                   std::vector<RequestSpec::HeaderField>& out) {
    if (node.kind != Node::Kind::kMap || node.entries.empty()) {
      blame_expected(node, path, "names and globs, such as {X-Api-Version: \"2024-*\"}", faults);
      return;
    }
    for (const Entry& entry : node.entries) {
      RequestSpec::HeaderField field{{entry.key, entry.key_place}, {}};
      read_located_text(entry.value, Path(path, entry.key), faults, field.glob);
      out.push_back(std::move(field));
    }
  }
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    describe_as("header_globs", std::move(facts), out);
  }
};

struct BodySizeType {
  static void read(const Node& node, const Path& path, Faults& faults,
                   std::optional<uint64_t>& out) {
    const size_t before = faults.size();
    uint64_t bytes = 0;
    read_size(node, path, faults, 0, kSizeMax, bytes);
    if (faults.size() == before) out = bytes;
  }
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    describe_as("size", std::move(facts), out);
  }
};

constexpr Key<RequestSpec> kRequestKeys[] = {
    key<RequestSpec, TextList, &RequestSpec::methods>("methods"),
    key<RequestSpec, TextList, &RequestSpec::hosts>("hosts"),
    key<RequestSpec, TextList, &RequestSpec::paths>("paths"),
    key<RequestSpec, HeaderGlobsType, &RequestSpec::headers>("headers"),
    key<RequestSpec, TextList, &RequestSpec::content_types>("content_types"),
    key<RequestSpec, BodySizeType, &RequestSpec::body_max>("body_max"),
    key<RequestSpec, BodySizeType, &RequestSpec::body_over>("body_over"),
};

enum class Verb : uint8_t { kAllow, kDeny };

// An item of allow or deny. What is not known of a request must not let it pass, so a size is
// written the other way round where it refuses.
template <Verb verb>
struct RequestType {
  static void read(const Node& node, const Path& path, Faults& faults, RequestSpec& out) {
    out.place = node.place;
    MapType<kRequestKeys>::read(node, path, faults, out);
    if (node.kind != Node::Kind::kMap) return;
    if (node.entries.empty()) {
      blame(node, path, "says nothing and so matches everything; write for example paths: [\"/*\"]",
            faults);
    }
    constexpr bool kAllows = verb == Verb::kAllow;
    const std::string_view wrong = kAllows ? "body_over" : "body_max";
    const Node* const size = node.find(wrong);
    if (size == nullptr) return;
    blame(*size, Path(path, wrong),
          kAllows ? "is for deny; here write body_max, the most bytes that may pass"
                  : "is for allow; here write body_over, beyond which nothing may pass",
          faults);
  }
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    MapType<kRequestKeys>::describe(std::move(facts), out);
  }
};

template <Verb verb>
using RequestList = ListType<RequestType<verb>, Emptiness::kRefused, Faulty::kKept>;

constexpr Key<InspectionSpec> kHttpKeys[] = {
    key<InspectionSpec, RequestList<Verb::kAllow>, &InspectionSpec::allow>("allow"),
    key<InspectionSpec, RequestList<Verb::kDeny>, &InspectionSpec::deny>("deny"),
};

struct HttpType {
  static void read(const Node& node, const Path& path, Faults& faults, InspectionSpec& out) {
    MapType<kHttpKeys>::read(node, path, faults, out);
    if (node.kind != Node::Kind::kMap || !node.entries.empty()) return;
    blame(node, path, "needs allow or deny, such as allow: [{methods: [GET]}]", faults);
  }
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    MapType<kHttpKeys>::describe(std::move(facts), out);
  }
};

// --- what is done to them
// ---------------------------------------------------------------------------------------

constexpr Key<FieldSpec> kFieldKeys[] = {
    key<FieldSpec, FileType, &FieldSpec::file>("file", kRequired),
};

// Fields by name, each with its value or the file that it is in. No message repeats a value.
struct FieldsType {
  static void read(const Node& node, const Path& path, Faults& faults,
                   std::vector<FieldSpec>& out) {
    constexpr std::string_view kWhat =
        "names and values, such as {Authorization: {file: /run/secrets/token}}";
    if (node.kind != Node::Kind::kMap || node.entries.empty()) {
      blame(node, path, "expected " + std::string(kWhat), faults);
      return;
    }
    for (const Entry& entry : node.entries) {
      const Path below(path, entry.key);
      FieldSpec field{{entry.key, entry.key_place}, {{}, entry.value.place}, {}};
      if (entry.value.kind == Node::Kind::kText) {
        field.value.value = entry.value.text;
      } else if (entry.value.kind == Node::Kind::kMap) {
        MapType<kFieldKeys>::read(entry.value, below, faults, field);
        if (field.file.value.empty()) continue;
      } else {
        blame(entry.value, below, "expected a value, or {file: /run/secrets/token}", faults);
        continue;
      }
      out.push_back(std::move(field));
    }
  }
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    describe_as("set_headers", std::move(facts), out);
  }
};

constexpr Key<uint64_t> kPinnedKeys[] = {
    key<uint64_t, CountType<1, kPinnedMax>, [](uint64_t& count) -> auto& { return count; }>(
        "tunnel_after", kRequired),
};

struct PinnedType {
  static void read(const Node& node, const Path& path, Faults& faults, uint64_t& out) {
    if (node.kind == Node::Kind::kText && node.text == "report") {
      out = 0;
    } else if (node.kind == Node::Kind::kMap) {
      MapType<kPinnedKeys>::read(node, path, faults, out);
    } else {
      blame_expected(node, path, "report, or a mapping such as {tunnel_after: 3}", faults);
    }
  }
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    MapType<kPinnedKeys>::describe(std::move(facts), out);
  }
};

constexpr Key<InspectionSpec> kIcapUseKeys[] = {
    key<InspectionSpec, LocatedTextType, &InspectionSpec::icap_request>("request"),
    key<InspectionSpec, LocatedTextType, &InspectionSpec::icap_response>("response"),
};

struct IcapUseType {
  static void read(const Node& node, const Path& path, Faults& faults, InspectionSpec& out) {
    MapType<kIcapUseKeys>::read(node, path, faults, out);
    if (node.kind != Node::Kind::kMap || !node.entries.empty()) return;
    blame(node, path, "needs request or response, each the name of a service of icap.services",
          faults);
  }
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    MapType<kIcapUseKeys>::describe(std::move(facts), out);
  }
};

// --- the whole
// ---------------------------------------------------------------------------------------

constexpr auto whole_spec = [](InspectionSpec& spec) -> auto& { return spec; };

constexpr Key<InspectionSpec> kInspectKeys[] = {
    key<InspectionSpec, TextList, &InspectionSpec::except>("except"),
    key<InspectionSpec, FileType, &InspectionSpec::except_file>("except_file"),
    key<InspectionSpec, WordType<kOriginFaults>, &InspectionSpec::origin_faults>("origin_faults"),
    key<InspectionSpec, WordType<kOthers>, &InspectionSpec::other>("other"),
    key<InspectionSpec, PinnedType, &InspectionSpec::tunnel_pinned_after>("on_pinned"),
    key<InspectionSpec, TextList, &InspectionSpec::origin_keys>("origin_keys"),
    key<InspectionSpec, FileType, &InspectionSpec::certificate>("certificate"),
    key<InspectionSpec, FileType, &InspectionSpec::key>("key"),
    key<InspectionSpec, HttpType, whole_spec>("http"),
    key<InspectionSpec, IcapUseType, whole_spec>("icap"),
    key<InspectionSpec, FieldsType, &InspectionSpec::set_headers>("set_headers"),
    key<InspectionSpec, TextList, &InspectionSpec::remove_headers>("remove_headers"),
};

constexpr Key<Inspection> kInspectionKeys[] = {
    key<Inspection, FileType, &Inspection::ca>("ca", kRequired),
    key<Inspection, FileType, &Inspection::key>("key", kRequired),
    key<Inspection, FileType, &Inspection::passphrase_file>("passphrase_file"),
    key<Inspection, FileType, &Inspection::origin_ca>("origin_ca"),
    key<Inspection, FileType, &Inspection::origin_crl>("origin_crl"),
    key<Inspection, CountType<1, kLeavesMax>, &Inspection::leaves>("leaves"),
    key<Inspection, FileType, &Inspection::key_log>("key_log"),
};

}  // namespace

void check_pair(const Node& node, const Path& path, Faults& faults) {
  const Node* const certificate = node.find("certificate");
  const Node* const key = node.find("key");
  if (certificate != nullptr && key == nullptr) {
    blame(*certificate, Path(path, "certificate"), "needs key, the file with its key", faults);
  }
  if (key != nullptr && certificate == nullptr) {
    blame(*key, Path(path, "key"), "needs certificate, the file that it belongs to", faults);
  }
}

void InspectType::read(const Node& node, const Path& path, Faults& faults,
                       std::shared_ptr<const InspectionSpec>& out) {
  auto spec = std::make_shared<InspectionSpec>();
  spec->place = node.place;
  if (node.kind == Node::Kind::kMap) {
    MapType<kInspectKeys>::read(node, path, faults, *spec);
    check_pair(node, path, faults);
  } else if (node.kind != Node::Kind::kText || node.in_quotes || node.text != "true") {
    blame_expected(node, path,
                   "true, or a mapping such as {except: [\"*.bank.example\"]}; without the key "
                   "nothing is read",
                   faults);
    return;
  }
  out = std::move(spec);
}

void InspectType::describe(KeyFacts facts, std::vector<KeyFacts>& out) {
  MapType<kInspectKeys>::describe(std::move(facts), out);
}

void InspectionType::read(const Node& node, const Path& path, Faults& faults,
                          std::optional<Inspection>& out) {
  Inspection inspection;
  MapType<kInspectionKeys>::read(node, path, faults, inspection);
  out = std::move(inspection);
}

void InspectionType::describe(KeyFacts facts, std::vector<KeyFacts>& out) {
  MapType<kInspectionKeys>::describe(std::move(facts), out);
}

}  // namespace penstock::config
