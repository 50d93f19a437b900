// All that TLS takes of files: certificates for listeners, whom parents are trusted by, the owner's
// authority for what is inspected. Either everything can be opened, or all that is wrong is said
// and what is in force stays. Thread: main.
#pragma once

#include <expected>
#include <memory>
#include <vector>

#include "base/fault.h"
#include "bump/inspector.h"
#include "config/config.h"
#include "tls/client_context.h"
#include "tls/server_context.h"

namespace penstock::server {

struct TlsFiles {
  std::vector<tls::ServerContextPtr> listeners;  // in their order; null: it speaks none
  tls::ClientContextPtr parents;                 // null: none is spoken to in TLS
  bump::InspectorPtr inspector;                  // null: nothing is inspected
};

// What outlives a reload.
struct TlsKept {
  std::shared_ptr<tls::TicketKeys> ticket_keys = std::make_shared<tls::TicketKeys>();
  std::shared_ptr<bump::Pinned> pinned = std::make_shared<bump::Pinned>();
};

std::expected<TlsFiles, Faults> open_tls_files(const config::Config& config, const TlsKept& kept,
                                               Faults* warnings);

}  // namespace penstock::server
