#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

// A row. Its values are taken relative to `center`, the mean rounded to T, which is exact where they are
// close to it; `lost` is what the rounding took from the mean.
template <class T>
struct LayerNormRow {
  int64_t columns;
  const T *x, *dy, *gamma, *beta;
  T center, lost, rstd;
  T* out;             // y or dx
  T *dgamma, *dbeta;  // (columns,), added to
};

template <class T>
struct LayerNormKernel {
  // Sets center; sum and squares are those of the deviations from it.
  void (*statistics)(LayerNormRow<T>& row, T& sum, T& squares);
  void (*forward)(const LayerNormRow<T>& row);
  void (*backward)(const LayerNormRow<T>& row);
};

FASTNN_DECLARE_KERNEL(template <class T> LayerNormKernel<T> layernorm_kernel())

}  // namespace fastnn
