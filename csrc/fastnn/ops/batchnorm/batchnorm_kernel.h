// The three passes over a band of rows. In all of them normalisation is one subtraction and one fused
// multiply-add by channel: the difference to `center`, the mean rounded to T, is exact where values are close
// to it, and `shift` makes up for what the rounding of the mean lost.
#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

template <class T>
struct BatchNormBand {
  int64_t rows, channels;
  const T* x;
  int64_t x_row;
  const T* dy;
  int64_t dy_row;
  const T* residual;  // or null
  int64_t residual_row;
  // (channels,): act((x - center) * scale + shift + residual) is y
  const T *center, *scale, *shift;
  bool relu;
  const T *slope, *offset;  // backward: dx = scale * dy' - slope * (x - center) - offset
  T* out;                   // (rows, channels): y, dy' (or null) or dx
  int64_t out_row;
  T* sums;      // (2, channels)
  bool near;    // rows lie in cache already
  bool stream;  // out goes past the caches; its rows are whole cache lines
};

template <class T>
struct BatchNormKernel {
  // sums = mean of the rows less the first row, and sum of squared deviations from the mean
  void (*statistics)(const BatchNormBand<T>&);
  void (*forward)(const BatchNormBand<T>&);
  // sums = sum dy' and sum dy' (x - center); out = dy', which may be dy's memory
  void (*reduce)(const BatchNormBand<T>&);
  void (*backward)(const BatchNormBand<T>&);
};

FASTNN_DECLARE_KERNEL(template <class T> BatchNormKernel<T> batchnorm_kernel())

}  // namespace fastnn
