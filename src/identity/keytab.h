// The keys of a Kerberos service, read from a keytab once: what a login is checked by is in memory,
// so that a file that is being written, or is gone, changes nothing. Kept are only the keys of the
// service that was named, and by that no host name is looked up to find out who we are.
// Thread: any, once read.   Limits: a file of kKeytabBytesMax, kKeytabKeysMax keys of it.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace penstock::identity {

inline constexpr size_t kKeytabBytesMax = 1024 * 1024;
inline constexpr size_t kKeytabKeysMax = 1024;

class Keytab {
 public:
  // `service`: "HTTP@proxy.example"; empty: HTTP on any host. Or what is wrong, in words that go
  // behind the path.
  static std::expected<std::shared_ptr<const Keytab>, std::string> read(const std::string& path,
                                                                        std::string_view service);
  virtual ~Keytab() = default;

  virtual size_t size() const = 0;
  // Under which the Kerberos library finds it in this process, as long as this lives.
  virtual const std::string& name() const = 0;
};
using KeytabPtr = std::shared_ptr<const Keytab>;

// Of the form that `service` must have.
bool is_service(std::string_view text);

}  // namespace penstock::identity
