#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

// Some rows of one image. All images are dense with channels last but x and dy, whose strides are given.
template <class T>
struct MaxPoolBand {
  int64_t row_begin, row_end;  // of y in forward, of dx in backward
  int64_t channels, height, width, out_width;
  int64_t kernel[2], stride[2], padding[2];
  const T* in;  // x or dy
  int64_t in_row, in_pixel;
  T* out;                 // y or dx
  uint8_t* winner_bytes;  // one of the two is null
  T* winner_wide;
  // Backward: the windows that cover each row and column of x.
  const int32_t *first_row, *last_row, *first_col, *last_col;
};

template <class T>
struct MaxPoolKernel {
  void (*forward)(const MaxPoolBand<T>&);
  void (*backward)(const MaxPoolBand<T>&);
};

FASTNN_DECLARE_KERNEL(template <class T> MaxPoolKernel<T> maxpool2d_kernel())

}  // namespace fastnn
