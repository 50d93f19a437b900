// One function per command; each lives in the file of its name. They return exit statuses.
#pragma once

#include <string>

namespace penstock::cli {

struct RunOptions {
  std::string config;  // empty: built-in defaults
  std::string listen;  // empty: as configured
  std::string admin;   // likewise; "off": no admin listener
};
int run_proxy(const RunOptions& options);

struct CheckOptions {
  std::string config;
  bool schema = false;
};
int check(const CheckOptions& options);

struct ExplainOptions {
  std::string config;  // empty: built-in defaults
  std::string client = "127.0.0.1";
  std::string identity;
  std::string target;
  bool json = false;
};
int explain(const ExplainOptions& options);

// Exit statuses.
inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;  // the thing asked for failed
inline constexpr int kUsage = 2;   // usage or configuration error

}  // namespace penstock::cli
