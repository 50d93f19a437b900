// `penstock ca …`: which words each of its commands takes, and what `init` and `rotate` make of
// theirs. The error is one sentence: what was found and what would be right. Pure.
#pragma once

#include <CLI/CLI.hpp>
#include <expected>
#include <optional>
#include <string>

#include "bump/root.h"
#include "cli/commands.h"

namespace penstock::cli {

struct CaOptions {
  CaMakeOptions init, rotate;
  CaShowOptions show;
  CaExportOptions exported;
};
void add_ca(CLI::App& app, CaOptions& options);
// The one that was asked for.
int run_ca(const CLI::App& command, const CaOptions& options);

struct CaMake {
  std::optional<std::string> name;
  int days = 0;
  bump::Permitted permitted;
};
std::expected<CaMake, std::string> read(const CaMakeOptions& written);

enum class CaFormat : uint8_t { kPem, kDer, kP7b };
std::expected<CaFormat, std::string> read(const CaExportOptions& written);

}  // namespace penstock::cli
