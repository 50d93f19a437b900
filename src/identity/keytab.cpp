#include "identity/keytab.h"

#include <krb5.h>

#include <atomic>

#include "base/ascii.h"
#include "base/secret.h"
#include "identity/identity.h"
#include "identity/read_file.h"

namespace penstock::identity {
namespace {

constexpr std::string_view kHttp = "HTTP";

std::string_view view(const krb5_data& data) {
  return {data.data, data.length};
}

// The library's state, of one thread at a time.
class Library {
 public:
  Library() { error_ = krb5_init_context(&context_); }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library() {
    if (context_ != nullptr) krb5_free_context(context_);
  }
  krb5_context get() const { return context_; }
  krb5_error_code error() const { return error_; }
  std::string words(krb5_error_code code) const {
    const char* text = krb5_get_error_message(context_, code);
    std::string out(text);
    krb5_free_error_message(context_, text);
    return out;
  }

 private:
  krb5_context context_ = nullptr;
  krb5_error_code error_ = 0;
};

bool is_of(const krb5_principal_data& principal, std::string_view service) {
  if (principal.length != 2) return false;
  const size_t at = service.find('@');
  const std::string_view word = at == service.npos ? kHttp : service.substr(0, at);
  if (view(principal.data[0]) != word) return false;
  return at == service.npos ||
         equals_ignoring_case(view(principal.data[1]), service.substr(at + 1));
}

class InMemory final : public Keytab {
 public:
  InMemory() {
    static std::atomic<uint64_t> count = 0;
    name_ = "MEMORY:penstock-" + std::to_string(++count);
    error_ = library_.error();
    if (error_ == 0) error_ = krb5_kt_resolve(library_.get(), name_.c_str(), &keys_);
  }
  InMemory(const InMemory&) = delete;
  InMemory& operator=(const InMemory&) = delete;
  ~InMemory() override {
    if (keys_ != nullptr) krb5_kt_close(library_.get(), keys_);  // the last one wipes it
  }

  size_t size() const override { return size_; }
  const std::string& name() const override { return name_; }

  std::expected<void, std::string> fill(const std::string& path, std::string_view service) {
    if (error_ != 0) return std::unexpected("the Kerberos library: " + library_.words(error_));
    krb5_keytab file = nullptr;
    krb5_error_code error = krb5_kt_resolve(library_.get(), ("FILE:" + path).c_str(), &file);
    if (error == 0) {
      error = copy(file, service);
      krb5_kt_close(library_.get(), file);
    }
    if (error != 0) return std::unexpected("is no keytab: " + library_.words(error));
    if (size_ > kKeytabKeysMax) return std::unexpected("has more than 1024 keys of this service");
    if (size_ != 0) return {};
    const size_t at = service.find('@');
    const std::string wanted = service.empty() ? "HTTP/"
                                               : std::string(service.substr(0, at)) + "/" +
                                                     std::string(service.substr(at + 1));
    return std::unexpected("has no key of " + wanted + "; its keys are of " +
                           (others_.empty() ? "nobody" : others_));
  }

 private:
  krb5_error_code copy(krb5_keytab file, std::string_view service) {
    krb5_kt_cursor cursor{};
    krb5_error_code error = krb5_kt_start_seq_get(library_.get(), file, &cursor);
    if (error != 0) return error;
    krb5_keytab_entry entry{};
    while ((error = krb5_kt_next_entry(library_.get(), file, &entry, &cursor)) == 0) {
      if (is_of(*entry.principal, service)) {
        error = krb5_kt_add_entry(library_.get(), keys_, &entry);
        ++size_;
      } else {
        remember(entry.principal);
      }
      krb5_free_keytab_entry_contents(library_.get(), &entry);
      if (error != 0 || size_ > kKeytabKeysMax) break;
    }
    krb5_kt_end_seq_get(library_.get(), file, &cursor);
    return error == KRB5_KT_END ? 0 : error;
  }

  // A few of those that are of somebody else, for whoever wonders.
  void remember(krb5_const_principal principal) {
    constexpr size_t kEnough = 200;
    char* text = nullptr;
    if (others_.size() > kEnough || krb5_unparse_name(library_.get(), principal, &text) != 0) {
      return;
    }
    if (is_name(text) && !others_.contains(text))
      others_ += (others_.empty() ? "" : ", ") + std::string(text);
    krb5_free_unparsed_name(library_.get(), text);
  }

  Library library_;
  std::string name_;
  krb5_keytab keys_ = nullptr;
  krb5_error_code error_ = 0;
  size_t size_ = 0;
  std::string others_;
};

}  // namespace

bool is_service(std::string_view text) {
  const size_t at = text.find('@');
  if (at == 0 || at == text.npos || at + 1 == text.size()) return false;
  return text.find_first_of("@/ \\", at + 1) == text.npos &&
         text.substr(0, at).find_first_of("/ \\") == text.npos;
}

std::expected<KeytabPtr, std::string> Keytab::read(const std::string& path,
                                                   std::string_view service) {
  // The library would wait for the other end of a FIFO, and says less of what is wrong.
  auto bytes = read_file(path, kKeytabBytesMax);
  if (!bytes) return std::unexpected(bytes.error());
  wipe(*bytes);
  auto out = std::make_shared<InMemory>();
  if (auto filled = out->fill(path, service); !filled) {
    return std::unexpected(std::move(filled.error()));
  }
  return out;
}

}  // namespace penstock::identity
