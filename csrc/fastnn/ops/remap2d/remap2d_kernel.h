#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

// Runs of neighbouring positions of the result along an axis, run i from begin[i] to before begin[i + 1]. The
// first position of a run is the sum of the input positions in `source` from start[i] to before
// start[i + 1]; every further one of those one further.
struct RemapAxis {
  int64_t runs;
  const int32_t *begin, *start, *source;
};

// Some rows of one image of the result, which is dense with channels last. Forward, a pixel is the sum of one
// pixel or none; backward, of all that it was moved to. Runs of rows are single ones, and so are those of
// columns unless the pixels of an input row lie together.
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
