#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

// Rows of columns that have a slope each.
template <class T>
struct PReluBand {
  int64_t rows, columns;
  const T* x;
  int64_t x_row;
  const T* dy;
  int64_t dy_row;
  const T* slope;  // (columns,)
  T* out;          // (rows, columns), dense: y or dx
  T* dslope;       // (columns,), of this band alone
};

template <class T>
struct PReluKernel {
  void (*forward)(const PReluBand<T>&);
  void (*backward)(const PReluBand<T>&);
};

FASTNN_DECLARE_KERNEL(template <class T> PReluKernel<T> prelu_kernel())

}  // namespace fastnn
