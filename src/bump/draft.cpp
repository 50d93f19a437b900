#include "bump/draft.h"

#include <algorithm>
#include <array>

#include "base/byte_fields.h"
#include "base/bytes.h"
#include "bump/form.h"

namespace penstock::bump {
namespace {

enum Tag : uint8_t {
  kInteger = 0x02,
  kOctets = 0x04,
  kUtcTime = 0x17,
  kGeneralizedTime = 0x18,
  kSequence = 0x30,
  kHost = 0x82,     // [2] dNSName
  kAddress = 0x87,  // [7] iPAddress
  kExtensions = 0xa3,
};

constexpr std::array<uint8_t, 5> kVersion3{0xa0, 3, 2, 1, 2};
// SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING { uncompressed point
constexpr std::array<uint8_t, 27> kP256{0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                        0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                        0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
constexpr size_t kPointBytes = 64;
constexpr std::array<uint8_t, 5> kNamesId{0x06, 3, 0x55, 0x1d, 0x11};  // subjectAltName
constexpr std::array<uint8_t, 3> kCritical{0x01, 1, 0xff};

// Elements off the front of `rest_`; what is not as it has to be makes it bad, for good.
class Elements {
 public:
  explicit Elements(Bytes bytes) : rest_(bytes) {}

  // The next one's tag; 0: there is none.
  uint8_t tag() const { return rest_.empty() ? uint8_t{0} : rest_[0]; }

  struct Element {
    Bytes whole;
    Bytes content;
  };
  Element take(uint8_t tag) {
    ByteFields fields(rest_);
    const bool right = fields.number(1) == tag;
    size_t length = fields.number(1);
    size_t head = 2;
    if (length >= 0x80) {
      const size_t width = length - 0x80;  // two bytes are enough for all that we sign
      good_ = good_ && (width == 1 || width == 2);
      if (!good_) return {};
      length = fields.number(width);
      head += width;
      good_ = length >= (width == 1 ? 0x80u : 0x100u);
    }
    const Bytes content = fields.take(length);
    good_ = good_ && right && fields.ok();
    if (!good_) return {};
    const Bytes whole = rest_.first(head + length);
    rest_ = rest_.subspan(head + length);
    return {whole, content};
  }
  void expect(Bytes bytes) {
    good_ = good_ && rest_.size() >= bytes.size() &&
            std::ranges::equal(rest_.first(bytes.size()), bytes);
    if (good_) rest_ = rest_.subspan(bytes.size());
  }
  bool starts_with(Bytes bytes) const {
    return rest_.size() >= bytes.size() && std::ranges::equal(rest_.first(bytes.size()), bytes);
  }
  Bytes rest() const { return rest_; }
  bool good() const { return good_; }
  bool ended_well() const { return good_ && rest_.empty(); }

 private:
  Bytes rest_;
  bool good_ = true;
};

// Nothing: it is none, or has another than hosts and addresses, or too many.
std::optional<int> count_names(Bytes extension) {
  Elements fields(extension);
  fields.expect(kNamesId);
  if (fields.starts_with(kCritical)) fields.expect(kCritical);
  Elements value(fields.take(kOctets).content);
  Elements names(value.take(kSequence).content);
  int count = 0;
  while (names.good() && names.tag() != 0) {
    if (++count > kNamesMax) return std::nullopt;
    if (names.tag() == kHost) {
      if (!is_host_text(text_of(names.take(kHost).content))) return std::nullopt;
    } else {
      const size_t size = names.take(kAddress).content.size();
      if (size != 4 && size != 16) return std::nullopt;
    }
  }
  if (!fields.ended_well() || !value.ended_well() || !names.ended_well() || count == 0) {
    return std::nullopt;
  }
  return count;
}

// The last one has the names.
bool read_extensions(Bytes list, DraftFields& out) {
  Elements extensions(list);
  size_t before = 0;
  for (;;) {
    const auto extension = extensions.take(kSequence);
    if (!extensions.good()) return false;
    if (extensions.tag() == 0 && extensions.rest().empty()) {
      const auto names = count_names(extension.content);
      out.names = names.value_or(0);
      out.extensions = list.first(before);
      return names.has_value();
    }
    before += extension.whole.size();
  }
}

bool is_good_serial(Bytes serial) {
  return serial.size() >= 8 && serial.size() <= 20 && serial[0] >= 1 && serial[0] < 0x80;
}

}  // namespace

std::optional<DraftFields> read_draft(Bytes draft) {
  DraftFields out;
  if (draft.size() > kDraftBytesMax) return std::nullopt;
  Elements outer(draft);
  Elements fields(outer.take(kSequence).content);
  fields.expect(kVersion3);
  out.serial = fields.take(kInteger).content;
  out.algorithm = fields.take(kSequence).whole;
  out.issuer = fields.take(kSequence).whole;
  Elements times(fields.take(kSequence).content);
  for (Bytes& time : out.validity) {
    time = times.take(times.tag() == kUtcTime ? kUtcTime : kGeneralizedTime).whole;
  }
  out.subject = fields.take(kSequence).whole;
  out.key = fields.take(kSequence).whole;
  Elements tagged(fields.take(kExtensions).content);
  const Bytes extensions = tagged.take(kSequence).content;
  if (!outer.ended_well() || !fields.ended_well() || !times.ended_well() || !tagged.ended_well()) {
    return std::nullopt;
  }
  const bool good = is_good_serial(out.serial) && out.subject.size() <= kSubjectBytesMax &&
                    out.key.size() == kP256.size() + kPointBytes &&
                    std::ranges::equal(out.key.first(kP256.size()), kP256) &&
                    read_extensions(extensions, out);
  if (!good) return std::nullopt;
  return out;
}

}  // namespace penstock::bump
