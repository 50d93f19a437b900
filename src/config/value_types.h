// The types of values that only this configuration has: addresses, names, log targets, and numbers
// that may also be a word. Each is a Type as reader.h describes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/reader.h"

namespace penstock::config {

void read_endpoint(const Node& node, const Path& path, Faults& faults, Endpoint& out);
void read_dns_server(const Node& node, const Path& path, Faults& faults, Endpoint& out);
void read_address(const Node& node, const Path& path, Faults& faults, IpAddress& out);
void read_prefix(const Node& node, const Path& path, Faults& faults, IpPrefix& out);
void read_authority(const Node& node, const Path& path, Faults& faults, http::Authority& out);
void read_name(const Node& node, const Path& path, Faults& faults, std::string& out);
void read_realm(const Node& node, const Path& path, Faults& faults, std::string& out);
void read_log_target(const Node& node, const Path& path, Faults& faults, std::string& out);
void read_file_path(const Node& node, const Path& path, Faults& faults, Located<std::string>& out);
void read_service(const Node& node, const Path& path, Faults& faults, std::string& out);
void read_field_name(const Node& node, const Path& path, Faults& faults, std::string& out);
void read_url(const Node& node, const Path& path, Faults& faults, Located<std::string>& out);
void read_file_or_url(const Node& node, const Path& path, Faults& faults,
                      Located<std::string>& out);
void read_bandwidth(const Node& node, const Path& path, Faults& faults, uint64_t& out);
void read_count_rate(const Node& node, const Path& path, Faults& faults, admission::Ration& out);
void read_size_rate(const Node& node, const Path& path, Faults& faults, admission::Ration& out);
void read_shared_bandwidth(const Node& node, const Path& path, Faults& faults, uint64_t& out);
void read_located_text(const Node& node, const Path& path, Faults& faults,
                       Located<std::string>& out);
void read_auto_count(const Node& node, const Path& path, Faults& faults, uint64_t max,
                     std::optional<uint64_t>& out);
void read_auto_size(const Node& node, const Path& path, Faults& faults, uint64_t min,
                    std::optional<uint64_t>& out);
void read_switchable_duration(const Node& node, const Path& path, Faults& faults, Duration min,
                              Duration max, Duration& out);

#define PENSTOCK_VALUE_TYPE(Type, Value, reader, schema_name)                          \
  struct Type {                                                                        \
    static void read(const Node& node, const Path& path, Faults& faults, Value& out) { \
      reader(node, path, faults, out);                                                 \
    }                                                                                  \
    static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {                 \
      describe_as(schema_name, std::move(facts), out);                                 \
    }                                                                                  \
  }

PENSTOCK_VALUE_TYPE(EndpointType, Endpoint, read_endpoint, "endpoint");
PENSTOCK_VALUE_TYPE(DnsServerType, Endpoint, read_dns_server, "dns_server");
PENSTOCK_VALUE_TYPE(AddressType, IpAddress, read_address, "ip_address");
PENSTOCK_VALUE_TYPE(PrefixType, IpPrefix, read_prefix, "prefix");
PENSTOCK_VALUE_TYPE(AuthorityType, http::Authority, read_authority, "authority");
PENSTOCK_VALUE_TYPE(NameType, std::string, read_name, "name");
PENSTOCK_VALUE_TYPE(RealmType, std::string, read_realm, "realm");
PENSTOCK_VALUE_TYPE(FileType, Located<std::string>, read_file_path, "file");
PENSTOCK_VALUE_TYPE(UrlType, Located<std::string>, read_url, "url");
PENSTOCK_VALUE_TYPE(ServiceType, std::string, read_service, "service");
PENSTOCK_VALUE_TYPE(FieldNameType, std::string, read_field_name, "field_name");
PENSTOCK_VALUE_TYPE(FileOrUrlType, Located<std::string>, read_file_or_url, "file_or_url");
PENSTOCK_VALUE_TYPE(LogTargetType, std::string, read_log_target, "log_target");
PENSTOCK_VALUE_TYPE(BandwidthType, uint64_t, read_bandwidth, "bandwidth");
PENSTOCK_VALUE_TYPE(CountRateType, admission::Ration, read_count_rate, "count_rate");
PENSTOCK_VALUE_TYPE(SizeRateType, admission::Ration, read_size_rate, "size_rate");
PENSTOCK_VALUE_TYPE(SharedBandwidthType, uint64_t, read_shared_bandwidth, "shared_bandwidth");
PENSTOCK_VALUE_TYPE(LocatedTextType, Located<std::string>, read_located_text, "text");

#undef PENSTOCK_VALUE_TYPE

// A listener remembers where its address was written: binding it may fail later.
struct ListenerAddressType {
  static void read(const Node& node, const Path& path, Faults& faults, Listener& out) {
    out.place = node.place;
    read_endpoint(node, path, faults, out.address);
  }
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    EndpointType::describe(std::move(facts), out);
  }
};

inline constexpr auto whole_listener = [](Listener& listener) -> auto& { return listener; };
inline constexpr auto whole_endpoint = [](Endpoint& endpoint) -> auto& { return endpoint; };

// `auto` (nullopt) or a number.
template <uint64_t max>
struct AutoCountType {
  static void read(const Node& node, const Path& path, Faults& faults,
                   std::optional<uint64_t>& out) {
    read_auto_count(node, path, faults, max, out);
  }
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    describe_as("auto_count", std::move(facts), out);
  }
};

// `auto` (nullopt), 0B for "no limit", or at least so many bytes.
template <uint64_t min>
struct AutoSizeType {
  static void read(const Node& node, const Path& path, Faults& faults,
                   std::optional<uint64_t>& out) {
    read_auto_size(node, path, faults, min, out);
  }
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    describe_as("auto_size", std::move(facts), out);
  }
};

// 0s for "off", or between the two.
template <int64_t min_millis, int64_t max_millis>
struct SwitchableDurationType {
  static void read(const Node& node, const Path& path, Faults& faults, Duration& out) {
    read_switchable_duration(node, path, faults, std::chrono::milliseconds(min_millis),
                             std::chrono::milliseconds(max_millis), out);
  }
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    describe_as("duration", std::move(facts), out);
  }
};

}  // namespace penstock::config
