#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

// Some rows of one image. All images are dense with channels last but the input, whose strides are given.
template <class T>
struct MaxPoolBand {
  int64_t row_begin, row_end, width;  // of the result: y or dx
  int64_t channels;
  int64_t out_width;  // of y
  int64_t cells;      // places in a row of a window
  const T* in;        // x or dy
  int64_t in_row, in_pixel;
  T* out;                 // y or dx
  uint8_t* winner_bytes;  // one of the two is null
  T* winner_wide;
  // Of each row and column of the result, forward the pixels in its window, backward the windows over it.
  const int32_t *first_row, *last_row, *first_col, *last_col;
  // Backward: where windows begin, and whether no two of them overlap.
  const int32_t *window_row, *window_col;
  bool apart;
};

template <class T>
struct MaxPoolKernel {
  void (*forward)(const MaxPoolBand<T>&);
  void (*backward)(const MaxPoolBand<T>&);
};

FASTNN_DECLARE_KERNEL(template <class T> MaxPoolKernel<T> maxpool2d_kernel())

}  // namespace fastnn
