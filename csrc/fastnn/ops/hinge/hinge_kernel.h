// What the kernels of hinge take: one row. See hinge.h for the equations.
#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

template <class T>
struct HingeRow {
  int64_t cols, label;
  const T* scores;
  T margin;
  T* dscores;  // backward
  T scale;     // backward: gradient of each violated margin
};

template <class T>
struct HingeKernel {
  T (*forward)(const HingeRow<T>&);  // the row's loss
  void (*backward)(const HingeRow<T>&);
};

FASTNN_DECLARE_KERNEL(template <class T> HingeKernel<T> hinge_kernel())

}  // namespace fastnn
