#include "bump/keep_key.h"

#include "cli/commands.h"

namespace penstock::cli {

int keep_key(const KeepKeyOptions& options) {
  return bump::keep_key({options.ca, options.key, options.passphrase_file});
}

}  // namespace penstock::cli
