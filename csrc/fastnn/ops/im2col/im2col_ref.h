// im2col and col2im in plain loops on dense arrays, (N, C, H, W) in C order: the truth.
#pragma once

#include <algorithm>
#include <cstdint>

#include "fastnn/base/window.h"

namespace fastnn {

// Calls visit(pixel, column) for every element of the columns, with its place among them and that of its
// pixel, or -1 in the padding.
template <class Visit>
void im2col_for_each_ref(int64_t planes, int64_t height, int64_t width, const Window2d& window, Visit visit) {
  const int64_t oh = window.h.outputs(height), ow = window.w.outputs(width);
  int64_t column = 0;
  for (int64_t plane = 0; plane < planes; ++plane)
    for (int64_t kh = 0; kh < window.h.kernel; ++kh)
      for (int64_t kw = 0; kw < window.w.kernel; ++kw)
        for (int64_t i = 0; i < oh; ++i)
          for (int64_t j = 0; j < ow; ++j) {
            const int64_t h = i * window.h.stride - window.h.padding + kh * window.h.dilation;
            const int64_t w = j * window.w.stride - window.w.padding + kw * window.w.dilation;
            const bool inside = h >= 0 && h < height && w >= 0 && w < width;
            visit(inside ? (plane * height + h) * width + w : -1, column++);
          }
}

template <class T>
void im2col_ref(int64_t planes, int64_t height, int64_t width, const T* x, const Window2d& window, T* cols) {
  im2col_for_each_ref(planes, height, width, window,
                      [&](int64_t pixel, int64_t column) { cols[column] = pixel < 0 ? T(0) : x[pixel]; });
}

template <class T>
void col2im_ref(int64_t planes, int64_t height, int64_t width, const T* cols, const Window2d& window, T* dx) {
  std::fill_n(dx, planes * height * width, T(0));
  im2col_for_each_ref(planes, height, width, window, [&](int64_t pixel, int64_t column) {
    if (pixel >= 0) dx[pixel] += cols[column];
  });
}

}  // namespace fastnn
