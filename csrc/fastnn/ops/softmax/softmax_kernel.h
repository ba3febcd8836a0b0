// What the kernels of softmax take: one row. See softmax.h for the equation.
#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

template <class T>
struct SoftmaxRow {
  int64_t cols;
  const T* x;
  T* y;
  T shift, sum;  // results: the maximum of x, and the sum of exp(x - shift)
};

FASTNN_DECLARE_KERNEL(template <class T> void softmax_row(SoftmaxRow<T>&))

}  // namespace fastnn
