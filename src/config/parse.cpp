#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <tuple>

#include "base/check.h"
#include "config/checks.h"
#include "config/config.h"
#include "config/document.h"
#include "config/keys.h"

namespace penstock::config {
namespace {

constexpr std::string_view kDefaults = R"(
listeners:
  - address: 127.0.0.1:3128
    protocols: [http, socks5]
admin:
  address: 127.0.0.1:3129
policy:
  rules:
    - name: public-https
      allow: ["*:443"]
      methods: [CONNECT]
    - name: public-http
      allow: ["*:80"]
      methods: [plain]
)";

// Reports are read from top to bottom.
void sort(Faults& faults) {
  std::ranges::sort(faults, {}, [](const Fault& fault) {
    return std::tuple<int, int, std::string_view>(fault.place.line, fault.place.column,
                                                  fault.message);
  });
}

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

std::unexpected<Faults> unreadable(const std::string& why) {
  return std::unexpected(Faults{{{}, "cannot be read: " + why}});
}

}  // namespace

std::expected<Snapshot, Faults> parse(std::string_view text, std::string_view file) {
  Faults faults;
  const auto root = read_document(text, &faults);
  if (!root) return std::unexpected(std::move(faults));
  auto config = std::make_shared<Config>();
  config->file = file;
  decode(*root, *config, faults);
  check_together(*root, *config, faults);
  if (!faults.empty()) {
    // Whatever kept these from having destinations is among the faults already.
    std::erase_if(config->policy.rules,
                  [](const policy::RuleSpec& rule) { return rule.patterns.empty(); });
  }
  auto rules = policy::Rules::compile(config->policy);
  if (!rules) faults.insert(faults.end(), rules.error().begin(), rules.error().end());
  auto quotas =
      admission::QuotaList::compile(config->quota_specs, config->limits.tunnels_per_client);
  if (!quotas) faults.insert(faults.end(), quotas.error().begin(), quotas.error().end());
  if (!faults.empty()) {
    sort(faults);
    return std::unexpected(std::move(faults));
  }
  config->rules = std::make_shared<const policy::Rules>(std::move(*rules));
  config->quotas = std::make_shared<const admission::QuotaList>(std::move(*quotas));
  warn(*root, *config);
  sort(config->warnings);
  return config;
}

std::expected<Snapshot, Faults> with_identity(Snapshot config, const identity::Book* before) {
  if (config->identity_specs.empty()) return config;
  auto book = identity::Book::open(config->identity_specs, before);
  if (!book) {
    Faults faults = std::move(book.error());
    sort(faults);
    return std::unexpected(std::move(faults));
  }
  auto out = std::make_shared<Config>(*config);
  out->identity = std::move(*book);
  return out;
}

std::expected<Snapshot, Faults> load(const std::string& path, const identity::Book* before) {
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "re"));
  if (file == nullptr) return unreadable(std::strerror(errno));
  std::string text;
  char chunk[64 * 1024];
  // One byte beyond the bound is enough for parse() to refuse; a device without end is not read on.
  while (text.size() <= kDocumentBytesMax) {
    errno = 0;
    const size_t got = std::fread(chunk, 1, sizeof(chunk), file.get());
    text.append(chunk, got);
    if (std::ferror(file.get()) != 0) return unreadable(std::strerror(errno));
    if (got < sizeof(chunk)) break;
  }
  auto config = parse(text, path);
  if (config) config = with_inspection(std::move(*config));
  if (!config) return config;
  return with_identity(std::move(*config), before);
}

Snapshot defaults() {
  auto config = parse(kDefaults, "");
  PENSTOCK_CHECK(config.has_value());
  return *config;
}

std::string describe(const Faults& faults, std::string_view file) {
  std::string out;
  for (const Fault& fault : faults) {
    out += file;
    if (fault.place.line != 0) {
      out += ":" + std::to_string(fault.place.line) + ":" + std::to_string(fault.place.column);
    }
    out += ": " + fault.message + "\n";
  }
  return out;
}

}  // namespace penstock::config
