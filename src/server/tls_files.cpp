#include "server/tls_files.h"

#include <utility>

namespace penstock::server {

std::expected<TlsFiles, Faults> open_tls_files(const config::Config& config, const TlsKept& kept,
                                               Faults* warnings) {
  auto listeners = tls::open_server_contexts(config, kept.ticket_keys, warnings);
  auto parents = tls::open_client_context(config, warnings);
  auto inspector = bump::open_inspector(config, kept.pinned, warnings);
  Faults faults;
  const auto collect = [&faults](const auto& opened) {
    if (!opened) faults.insert(faults.end(), opened.error().begin(), opened.error().end());
  };
  collect(listeners);
  collect(parents);
  collect(inspector);
  if (!faults.empty()) return std::unexpected(std::move(faults));
  return TlsFiles{std::move(*listeners), std::move(*parents), std::move(*inspector)};
}

}  // namespace penstock::server
