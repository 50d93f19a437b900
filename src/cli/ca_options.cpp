#include "cli/ca_options.h"

#include <algorithm>
#include <utility>

#include "base/ascii.h"
#include "cli/option_reader.h"
#include "config/unicode.h"
#include "http/authority.h"

namespace penstock::cli {
namespace {

constexpr int kDays = 1825;
constexpr uint64_t kDaysMax = 7300;
constexpr size_t kNameCharactersMax = 64;  // of a common name (RFC 5280, appendix A)
constexpr size_t kPermittedMax = 256;

void add_make(CLI::App& command, CaMakeOptions& options) {
  command.add_option("--ca", options.ca, "The file of its certificate")
      ->type_name("FILE")
      ->required();
  command.add_option("--key", options.key, "The file of its key, which nobody else is to read")
      ->type_name("FILE")
      ->required();
  command.add_option("--name", options.name, "What clients see it called")->type_name("NAME");
  command.add_option("--days", options.days, "How long it is valid (1825)")->type_name("N");
  command
      .add_option("--permit", options.permit,
                  "It may sign for this name and all below it; may stand several times")
      ->type_name("NAME")
      ->allow_extra_args(false);
  command
      .add_option("--permit-address", options.permit_address,
                  "And for these addresses; may stand several times")
      ->type_name("CIDR")
      ->allow_extra_args(false);
  command
      .add_option("--passphrase-file", options.passphrase_file,
                  "The key has a passphrase: the first line of this file")
      ->type_name("FILE");
}

void add_init(CLI::App& ca, CaMakeOptions& options) {
  auto* command = ca.add_subcommand("init", "Make an authority: a key and a root certificate");
  add_make(*command, options);
  command->footer(
      "ECDSA P-256. Without --permit and --permit-address it may sign for everything; with one of\n"
      "them for nothing else. Nothing is overwritten, and nothing half made is left behind.\n"
      "Exit status: 0 made, 1 it could not be, 2 usage error.");
}

void add_rotate(CLI::App& ca, CaMakeOptions& options) {
  auto* command =
      ca.add_subcommand("rotate", "Change its key, while clients trust only the root so far");
  add_make(*command, options);
  command->footer(
      "The new root is signed by the old key as well, and what the old one signed for is behind "
      "it\n"
      "in the file, so that clients with either root go on. The old pair is kept as FILE.old.\n"
      "Without --permit and --permit-address the new one is constrained as the old one is.\n"
      "--passphrase-file is for both keys.\n"
      "Exit status: 0 changed, 1 all is as it was, 2 usage error.");
}

void add_show(CLI::App& ca, CaShowOptions& options) {
  auto* command = ca.add_subcommand("show", "Say what an authority is, and what is wrong with it");
  command->add_option("--ca", options.ca, "The file of its certificate")
      ->type_name("FILE")
      ->required();
  auto* key = command
                  ->add_option("--key", options.key,
                               "Also look at its key, a file or a URI: rights, and whose it is")
                  ->type_name("FILE");
  command->add_option("--passphrase-file", options.passphrase_file, "Of the key, in its first line")
      ->type_name("FILE")
      ->needs(key);
  command->add_flag("--json", options.json, "One JSON object instead of the report");
  command->footer("Exit status: 0 good, 1 something is wrong with it, 2 usage error.");
}

void add_export(CLI::App& ca, CaExportOptions& options) {
  auto* command =
      ca.add_subcommand("export", "Write the root certificate alone, for clients to trust");
  command->add_option("--ca", options.ca, "The file of its certificate")
      ->type_name("FILE")
      ->required();
  command->add_option("--format", options.format, "pem (default), der or p7b")->type_name("WORD");
  command->add_option("--out", options.out, "A new file for it, instead of stdout")
      ->type_name("FILE");
  command->footer("Exit status: 0 done, 1 it could not be, 2 usage error.");
}

class CaReader : OptionReader {
 public:
  std::expected<CaMake, std::string> read(const CaMakeOptions& written) {
    CaMake out;
    out.days = kDays;
    if (!read_name(written.name, &out.name) ||
        !read_number("--days", written.days, 1, kDaysMax, &out.days) ||
        !read_permitted(written, &out.permitted)) {
      return std::unexpected(fault_);
    }
    return out;
  }

  std::expected<CaFormat, std::string> read(const CaExportOptions& written) {
    static constexpr Words<CaFormat, 3> kFormats = {
        {{"pem", CaFormat::kPem}, {"der", CaFormat::kDer}, {"p7b", CaFormat::kP7b}}};
    CaFormat out = CaFormat::kPem;
    if (!read_word("--format", written.format, kFormats, &out)) return std::unexpected(fault_);
    return out;
  }

 private:
  bool read_name(const Word& word, std::optional<std::string>* out) {
    if (!word) return true;
    const auto characters = static_cast<size_t>(
        std::ranges::count_if(*word, [](char c) { return (c & 0xc0) != 0x80; }));
    const bool printable =
        !config::find_unprintable(*word) && word->find_first_of("\t\r\n") == word->npos;
    if (characters == 0 || characters > kNameCharactersMax || !printable) {
      return fail("--name: \"{}\" is no name of 1 to {} characters that can be read", *word,
                  kNameCharactersMax);
    }
    *out = *word;
    return true;
  }

  bool read_permitted(const CaMakeOptions& written, bump::Permitted* out) {
    if (written.permit.size() + written.permit_address.size() > kPermittedMax) {
      return fail(
          "--permit and --permit-address: more than {} of them; name what they have in common",
          kPermittedMax);
    }
    for (const std::string& text : written.permit) {
      auto name = http::canonical_name(text);
      if (!name) {
        return fail(
            "--permit: \"{}\" is no name; write corp.example, which stands for itself and for all "
            "below it{}",
            text, IpPrefix::parse(text) ? " (addresses: --permit-address)" : "");
      }
      out->names.push_back(std::move(*name));
    }
    for (const std::string& text : written.permit_address) {
      const auto prefix = IpPrefix::parse(text);
      if (!prefix) {
        return fail(
            "--permit-address: \"{}\" is no address or prefix whose host bits are zero; write "
            "10.1.0.0/16",
            text);
      }
      out->addresses.push_back(*prefix);
    }
    return true;
  }
};

}  // namespace

void add_ca(CLI::App& app, CaOptions& options) {
  auto* ca = app.add_subcommand("ca", "Make and look after the authority that inspection signs by");
  ca->require_subcommand(1);
  add_init(*ca, options.init);
  add_show(*ca, options.show);
  add_export(*ca, options.exported);
  add_rotate(*ca, options.rotate);
}

int run_ca(const CLI::App& command, const CaOptions& options) {
  if (command.got_subcommand("init")) return ca_init(options.init);
  if (command.got_subcommand("rotate")) return ca_rotate(options.rotate);
  if (command.got_subcommand("export")) return ca_export(options.exported);
  return ca_show(options.show);
}

std::expected<CaMake, std::string> read(const CaMakeOptions& written) {
  return CaReader().read(written);
}

std::expected<CaFormat, std::string> read(const CaExportOptions& written) {
  return CaReader().read(written);
}

}  // namespace penstock::cli
