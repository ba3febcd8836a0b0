// Which pixels a window covers, and which windows cover a pixel, for windows without dilation.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "fastnn/base/shape.h"
#include "fastnn/base/window.h"

namespace fastnn {

// For each index along one axis the range, from first to before last, that it has to do with.
struct Span {
  std::vector<int32_t> first, last;

  explicit Span(int64_t size) : first(static_cast<size_t>(size)), last(static_cast<size_t>(size)) {}
};

// For each window the positions inside the image.
struct Inside : Span {
  Inside(const WindowAxis& axis, int64_t size) : Span(axis.outputs(size)) {
    for (size_t i = 0; i < first.size(); ++i) {
      const int64_t begin = static_cast<int64_t>(i) * axis.stride - axis.padding;
      first[i] = static_cast<int32_t>(std::max<int64_t>(0, begin));
      last[i] = static_cast<int32_t>(std::min(size, begin + axis.kernel));
    }
  }
};

// For each position the windows that cover it.
struct Covering : Span {
  Covering(const WindowAxis& axis, int64_t size) : Span(size) {
    const int64_t outputs = axis.outputs(size);
    for (size_t i = 0; i < first.size(); ++i) {
      const int64_t end = static_cast<int64_t>(i) + axis.padding;  // the last window begins there or before
      first[i] = static_cast<int32_t>(end < axis.kernel ? 0 : (end - axis.kernel) / axis.stride + 1);
      last[i] = static_cast<int32_t>(std::min(outputs, end / axis.stride + 1));
    }
  }
};

// How many bands an image's `rows` rows are cut into, each some tens of thousands of elements.
inline int64_t bands_an_image(int64_t rows, int64_t row_elements) {
  constexpr int64_t kBandElements = 32768;
  return ceil_div(rows, std::max<int64_t>(1, kBandElements / row_elements));
}

}  // namespace fastnn
