// What was found, in the forms that people and programs read. Pure: values in, text out.
#pragma once

#include <string>

#include "probe/summary.h"

namespace penstock::probe {

// What the terminal can show.
struct Style {
  bool colour = false;
  bool blocks = false;  // UTF-8: bars of blocks rather than of ASCII
  int columns = 100;
};

std::string text(const Found& found, const Style& style);
std::string json(const Found& found);  // one object
std::string csv(const Found& found);   // a row for each phase of each run
std::string svg(const Found& found);   // a waterfall for each way

// "GET https://example.com/ through http://127.0.0.1:3128 (HTTPS_PROXY)"
std::string what_ran(const Options& options);
double millis(Duration span);

// The bars of one timeline, a line for each phase; `figures` are the columns before them, with
// `head` above.
struct Columns {
  std::string head;
  std::vector<std::string> rows;  // one for each phase of phases_of({&timeline})
};
std::string waterfall(const Timeline& timeline, const Columns& figures, const Style& style);

}  // namespace penstock::probe
