#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

// Some rows of one image of the result, which is dense with channels last. Each pixel of it is a weighted sum
// over a rectangle of the input: forward the cells of a window, backward the windows that cover a pixel.
template <class T>
struct AvgPoolBand {
  int64_t row_begin, row_end, width, channels;
  const T* in;
  int64_t in_row, in_pixel;
  T* out;
  // The rectangle of row h and column w: rows from first_row[h] to before last_row[h], columns likewise.
  const int32_t *first_row, *last_row, *first_col, *last_col;
  // What windows multiply with. Forward: a number for each pixel of out; backward: one for each of the input.
  const T* share;
  int64_t in_width;
};

template <class T>
struct AvgPoolKernel {
  void (*forward)(const AvgPoolBand<T>&);
  void (*backward)(const AvgPoolBand<T>&);
};

FASTNN_DECLARE_KERNEL(template <class T> AvgPoolKernel<T> avgpool2d_kernel())

}  // namespace fastnn
