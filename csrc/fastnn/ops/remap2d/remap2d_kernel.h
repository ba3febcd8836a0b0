#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

// For each position of the result along an axis the input positions that it is the sum of: those in
// `position` from start[i] to before start[i + 1].
struct RemapAxis {
  const int32_t *start, *position;
};

// Some rows of one image of the result, which is dense with channels last. Forward, a pixel is the sum of one
// pixel or none; backward, of all that it was moved to.
template <class T>
struct RemapBand {
  int64_t row_begin, row_end, width, channels;
  RemapAxis rows, cols;
  const T* in;
  int64_t in_row, in_pixel;
  T* out;
};

template <class T>
struct Remap2dKernel {
  void (*sum)(const RemapBand<T>&);
};

FASTNN_DECLARE_KERNEL(template <class T> Remap2dKernel<T> remap2d_kernel())

}  // namespace fastnn
