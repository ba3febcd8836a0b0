// The rectangles of pixels that pooling takes together, and which of them cover a pixel.
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

  int64_t size() const { return static_cast<int64_t>(first.size()); }
  int64_t length(int64_t i) const { return last[static_cast<size_t>(i)] - first[static_cast<size_t>(i)]; }
  int64_t longest() const {
    int64_t most = 0;
    for (int64_t i = 0; i < size(); ++i) most = std::max(most, length(i));
    return most;
  }
  void set(int64_t i, int64_t begin, int64_t end) {
    first[static_cast<size_t>(i)] = static_cast<int32_t>(begin);
    last[static_cast<size_t>(i)] = static_cast<int32_t>(end);
  }
};

// The windows of an axis, each a span of positions in the image; those of images that have their own follow
// one another. Neither end ever moves back from one window to the next.
using Windows = Span;

// Sliding windows without dilation, cut off where the image ends, or `margin` further out on both sides.
inline Windows sliding_windows(const WindowAxis& axis, int64_t size, int64_t margin = 0) {
  Windows windows(axis.outputs(size));
  for (int64_t i = 0; i < windows.size(); ++i) {
    const int64_t begin = i * axis.stride - axis.padding;
    windows.set(i, std::max(-margin, begin), std::min(size + margin, begin + axis.kernel));
  }
  return windows;
}

// As many windows as wanted, as equal as they can be: from floor(i * size / count) to
// ceil((i + 1) * size / count).
inline Windows adaptive_windows(int64_t size, int64_t count) {
  Windows windows(count);
  for (int64_t i = 0; i < count; ++i) windows.set(i, i * size / count, ceil_div((i + 1) * size, count));
  return windows;
}

// For each position the windows that cover it, of every image that has `outputs` windows of its own.
inline Span covering(const Windows& windows, int64_t outputs, int64_t size) {
  const int64_t images = outputs == 0 ? 0 : windows.size() / outputs;
  Span covers(images * size);
  for (int64_t n = 0; n < images; ++n) {
    const int32_t* first = windows.first.data() + n * outputs;
    const int32_t* last = windows.last.data() + n * outputs;
    int64_t begin = 0, end = 0;
    for (int64_t p = 0; p < size; ++p) {
      while (begin < outputs && last[begin] <= p) ++begin;
      while (end < outputs && first[end] <= p) ++end;
      covers.set(n * size + p, begin, std::max(begin, end));
    }
  }
  return covers;
}

// Output (i, j) sees rows.first[i] to before rows.last[i], and columns likewise. All images share the
// windows, or each has its own.
struct PoolWindows {
  Windows rows, cols;
  bool shared = true;
};

inline PoolWindows sliding_windows(const Window2d& window, int64_t height, int64_t width) {
  return {sliding_windows(window.h, height), sliding_windows(window.w, width)};
}

inline Window2d ceiled(const Window2d& window, int64_t height, int64_t width) {
  return {window.h.ceiled(height), window.w.ceiled(width)};
}

// How many bands an image's `rows` rows are cut into, each some tens of thousands of elements.
inline int64_t bands_an_image(int64_t rows, int64_t row_elements) {
  constexpr int64_t kBandElements = 32768;
  return ceil_div(rows, std::max<int64_t>(1, kBandElements / row_elements));
}

}  // namespace fastnn
