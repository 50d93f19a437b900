// The command line: one file per command. Exit status 0: success; 1: the thing asked for
// failed; 2: usage or configuration error.
#pragma once

namespace penstock::cli {

int run(int argc, char** argv);

}  // namespace penstock::cli
