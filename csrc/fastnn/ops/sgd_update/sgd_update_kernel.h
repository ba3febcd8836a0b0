// What the kernels of sgd_update take: a slice of the run. See sgd_update.h for the equation.
#pragma once

#include <stdint.h>

#include "fastnn/base/arch.h"

namespace fastnn {

template <class T>
struct SgdSlice {
  int64_t count;
  T* param;
  const T* grad;
  T* velocity;  // or null
  T lr, momentum, weight_decay;
  bool nesterov;
};

FASTNN_DECLARE_KERNEL(template <class T> void sgd_update_slice(const SgdSlice<T>&))

}  // namespace fastnn
