#include "config/icap_keys.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace penstock::config {
namespace {

using icap::OnFailure;
using icap::Service;
using icap::Services;

constexpr Word<OnFailure> kOnFailure[] = {{"refuse", OnFailure::kRefuse},
                                          {"bypass", OnFailure::kBypass}};
constexpr Word<icap::Told> kIcapTold[] = {{"client", icap::Told::kClient},
                                          {"identity", icap::Told::kIdentity},
                                          {"origin", icap::Told::kOrigin}};
constexpr uint64_t kConnectionsMax = 1024;
constexpr int64_t kTimeoutMinMillis = 100;
constexpr int64_t kTimeoutMaxMillis = 3'600'000;

struct ServiceUrlType {
  static void read(const Node& node, const Path& path, Faults& faults, Service& out) {
    const std::string* const text =
        text_of(node, path, "a URL such as icap://127.0.0.1:1344/avscan", faults);
    if (text == nullptr) return;
    auto url = icap::parse_service_url(*text);
    if (!url) {
      blame(node, path, url.error(), faults);
      return;
    }
    out.authority = std::move(url->authority);
    out.path = std::move(url->path);
  }
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    describe_as("icap_url", std::move(facts), out);
  }
};

// auto: as the service wants it; off: none; or a size that it is bounded by.
struct PreviewType {
  static void read(const Node& node, const Path& path, Faults& faults, Service& out) {
    const bool text = node.kind == Node::Kind::kText;
    out.previews = !(text && node.text == "off");
    out.preview_max = icap::kHeldMax;
    if (text && (node.text == "off" || node.text == "auto")) return;
    read_size(node, path, faults, 0, icap::kHeldMax, out.preview_max);
  }
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    describe_as("icap_preview", std::move(facts), out);
  }
};

constexpr auto whole_service = [](Service& service) -> auto& { return service; };

constexpr Key<Service> kServiceKeys[] = {
    key<Service, NameType, &Service::name>("name", kRequired),
    key<Service, ServiceUrlType, whole_service>("url", kRequired),
    key<Service, WordType<kOnFailure>, &Service::on_failure>("on_failure"),
    key<Service, PreviewType, whole_service>("preview"),
    key<Service, CountType<1, kConnectionsMax>, &Service::connections>("connections"),
    key<Service, DurationType<kTimeoutMinMillis, kTimeoutMaxMillis>, &Service::timeout>("timeout"),
    key<Service, ListType<WordType<kIcapTold>, Emptiness::kRefused>, &Service::tells>("tells"),
};

struct IcapServiceType {
  static void read(const Node& node, const Path& path, Faults& faults, icap::ServicePtr& out) {
    auto service = std::make_shared<Service>();
    service->place = node.place;
    MapType<kServiceKeys>::read(node, path, faults, *service);
    out = std::move(service);
  }
  static void describe(KeyFacts facts, std::vector<KeyFacts>& out) {
    MapType<kServiceKeys>::describe(std::move(facts), out);
  }
};

constexpr auto whole_services = [](Services& services) -> auto& { return services; };
using ServiceList = ListType<IcapServiceType, Emptiness::kRefused>;

constexpr Key<Services> kIcapKeys[] = {
    key<Services, ServiceList, whole_services>("services", kRequired),
};

}  // namespace

void IcapType::read(const Node& node, const Path& path, Faults& faults, Services& out) {
  MapType<kIcapKeys>::read(node, path, faults, out);
  if (out.size() > icap::kServicesMax) {
    blame(node, path, "more than " + std::to_string(icap::kServicesMax) + " services; name fewer",
          faults);
  }
  for (auto at = out.begin(); at != out.end(); ++at) {
    const auto twin = std::find_if(out.begin(), at, [&at](const icap::ServicePtr& before) {
      return before->name == (*at)->name;
    });
    if (twin == at) continue;
    faults.push_back({(*at)->place, "icap.services: \"" + (*at)->name +
                                        "\" is listed twice; the first is on line " +
                                        std::to_string((*twin)->place.line)});
  }
}

void IcapType::describe(KeyFacts facts, std::vector<KeyFacts>& out) {
  MapType<kIcapKeys>::describe(std::move(facts), out);
}

}  // namespace penstock::config
