// A picture in SVG that stands alone: it loads nothing, and follows the reader's light or dark.
// Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace penstock::observe {

// 900 x 540 pixels with a title and a line below it. Texts may hold anything.
class Picture {
 public:
  static constexpr double kWidth = 900, kHeight = 540;

  Picture(std::string_view title, std::string_view subtitle);

  // `anchor`: start, middle or end. `look`: a class of the style sheet, or none.
  void text(double x, double y, std::string_view anchor, std::string_view text,
            std::string_view look = {});
  // The same, read from below, around a middle.
  void text_upwards(double x, double y, std::string_view text);
  void add(std::string_view svg) { svg_ += svg; }
  std::string finish() && { return std::move(svg_) + "</svg>\n"; }

 private:
  std::string svg_;
};

// Where a value stands between the ends of an axis, from 0 to 1 and not beyond.
struct Axis {
  double low = 0;
  double high = 1;
  bool logarithmic = false;

  double at(double value) const;
};

// A grid within a picture, and curves over it.
class Chart {
 public:
  struct Place {
    double left = 92, right = 872, top = 112, bottom = 470;  // pixels
  };
  using Points = std::vector<std::pair<double, double>>;

  Chart(Picture& picture, const Place& place, const Axis& x, const Axis& y)
      : picture_(picture), place_(place), x_(x), y_(y) {}

  double x(double value) const { return place_.left + (place_.right - place_.left) * x_.at(value); }
  double y(double value) const {
    return place_.bottom - (place_.bottom - place_.top) * y_.at(value);
  }

  // A line of the grid with its label: at a value of y, and at one of x.
  void across(double value, std::string_view label);
  void upright(double value, std::string_view label);
  // Curves have one of kColours colours and may have a name beside the chart's upper left corner.
  static constexpr int kColours = 5;
  void curve(int colour, const Points& points, std::string_view name = {});
  // A line that something must not cross.
  void bound(double value, std::string_view label);

 private:
  Picture& picture_;
  Place place_;
  Axis x_;
  Axis y_;
  int named_ = 0;
};

// 1, 2 and 5 times powers of ten, from the last one at or below `low` to the first at or above
// `high`; two at least. Both are greater than 0.
std::vector<double> round_values(double low, double high);

}  // namespace penstock::observe
